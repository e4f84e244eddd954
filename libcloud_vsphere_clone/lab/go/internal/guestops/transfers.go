package guestops

import (
	"crypto/rand"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// TransferPath is where clients send and fetch files.
	TransferPath = "/guestFile"
	ticketAge    = 10 * time.Minute
)

// ticket allows one transfer of one file.
type ticket struct {
	user   user
	path   string
	upload bool
	size   int64
	mode   int64
	made   time.Time
}

// Transfers are the tickets that were given out and not used yet.
type Transfers struct {
	mu      sync.Mutex
	tickets map[string]ticket
}

// NewTransfers is without any ticket.
func NewTransfers() *Transfers {
	return &Transfers{tickets: map[string]ticket{}}
}

// open is the URL at which a ticket is used.
//
// "The host part of the URL is returned as '*' if the hostname to be used is
// the name of the server to which the call was made." "The URL is valid only
// for 10 minutes from the time it is generated."
func (t *Transfers) open(opened ticket) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	opened.made = time.Now()
	token := rand.Text()
	for old, other := range t.tickets {
		if time.Since(other.made) > ticketAge {
			delete(t.tickets, old)
		}
	}
	t.tickets[token] = opened
	return "https://*" + TransferPath + "?id=1&token=" + token
}

// take is the ticket of a token, which is used up by that.
func (t *Transfers) take(token string) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken, ok := t.tickets[token]
	delete(t.tickets, token)
	return taken, ok
}

// ServeHTTP moves one file into a guest or out of it.
func (t *Transfers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	taken, ok := t.take(r.URL.Query().Get("token"))
	switch {
	case !ok:
		http.Error(w, "no such ticket", http.StatusNotFound)
	case taken.upload && r.Method == http.MethodPut:
		taken.receive(w, r)
	case !taken.upload && r.Method == http.MethodGet:
		taken.deliver(w, r)
	default:
		http.Error(w, r.Method+" is not for this ticket", http.StatusMethodNotAllowed)
	}
}

// receive writes the request's body into the guest, as its user.
func (t ticket) receive(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != t.size {
		http.Error(w, "the size is not what was announced", http.StatusBadRequest)
		return
	}
	mode, size := strconv.FormatInt(t.mode, 10), strconv.FormatInt(t.size, 10)
	if _, fault := t.user.call(r.Context(), r.Body, "put", t.path, mode, size); fault != nil {
		http.Error(w, "the file could not be written", http.StatusInternalServerError)
	}
}

// deliver writes a file of the guest to the client.
func (t ticket) deliver(w http.ResponseWriter, r *http.Request) {
	reply, err := t.user.send(r.Context(), nil, "get", t.path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer reply.Close()
	if reply.status != "ok" {
		http.Error(w, "the file could not be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(reply.size, 10))
	_, _ = io.Copy(w, reply.rest)
}
