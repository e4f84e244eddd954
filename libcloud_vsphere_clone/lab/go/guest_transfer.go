package main

import (
	"crypto/rand"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	transferPath = "/guestFile"
	ticketAge    = 10 * time.Minute
)

// transferTicket allows one transfer of one file.
type transferTicket struct {
	user   guestUser
	path   string
	upload bool
	size   int64
	mode   int64
	made   time.Time
}

// transfers are the tickets that were given out and not used yet.
type transfers struct {
	mu      sync.Mutex
	tickets map[string]transferTicket
}

func newTransfers() *transfers {
	return &transfers{tickets: map[string]transferTicket{}}
}

// open is the URL at which a ticket is used.
//
// "The host part of the URL is returned as '*' if the hostname to be used is
// the name of the server to which the call was made." "The URL is valid only
// for 10 minutes from the time it is generated."
func (t *transfers) open(ticket transferTicket) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ticket.made = time.Now()
	token := rand.Text()
	for old, other := range t.tickets {
		if time.Since(other.made) > ticketAge {
			delete(t.tickets, old)
		}
	}
	t.tickets[token] = ticket
	return "https://*" + transferPath + "?id=1&token=" + token
}

// take is the ticket of a token, which is used up by that.
func (t *transfers) take(token string) (transferTicket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ticket, ok := t.tickets[token]
	delete(t.tickets, token)
	return ticket, ok
}

// ServeHTTP moves one file into a guest or out of it.
func (t *transfers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ticket, ok := t.take(r.URL.Query().Get("token"))
	switch {
	case !ok:
		http.Error(w, "no such ticket", http.StatusNotFound)
	case ticket.upload && r.Method == http.MethodPut:
		ticket.receive(w, r)
	case !ticket.upload && r.Method == http.MethodGet:
		ticket.send(w, r)
	default:
		http.Error(w, r.Method+" is not for this ticket", http.StatusMethodNotAllowed)
	}
}

// receive writes the request's body into the guest, as its user.
func (t transferTicket) receive(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != t.size {
		http.Error(w, "the size is not what was announced", http.StatusBadRequest)
		return
	}
	mode, size := strconv.FormatInt(t.mode, 10), strconv.FormatInt(t.size, 10)
	if _, fault := t.user.carryOut(r.Context(), r.Body, "put", t.path, mode, size); fault != nil {
		http.Error(w, "the file could not be written", http.StatusInternalServerError)
	}
}

// send writes a file of the guest to the client.
func (t transferTicket) send(w http.ResponseWriter, r *http.Request) {
	reply, err := t.user.tell(r.Context(), nil, "get", t.path)
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
