package soap

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
)

// CountingWriter counts what is answered.
type CountingWriter struct {
	http.ResponseWriter
	Status int
	Bytes  int
}

// NewCountingWriter counts what goes to w; the status is 200 until another is written.
func NewCountingWriter(w http.ResponseWriter) *CountingWriter {
	return &CountingWriter{ResponseWriter: w, Status: http.StatusOK}
}

// WriteHeader notes the status.
func (w *CountingWriter) WriteHeader(status int) {
	w.Status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (w *CountingWriter) Write(data []byte) (int, error) {
	n, err := w.ResponseWriter.Write(data)
	w.Bytes += n
	return n, err
}

// Reset ends the connection with a TCP reset instead of a reply.
func (w *CountingWriter) Reset() {
	w.Status = 0
	connection, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // no connection of its own: at least no reply
	}
	if wrapped, ok := connection.(interface{ NetConn() net.Conn }); ok {
		connection = wrapped.NetConn() // below TLS, which would close the stream in order
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// Recorder keeps a reply, to be sent, cut or dropped later.
type Recorder struct {
	header http.Header
	Status int
	Body   bytes.Buffer
}

// NewRecorder is an empty reply with status 200.
func NewRecorder() *Recorder {
	return &Recorder{header: http.Header{}, Status: http.StatusOK}
}

// Header is for http.ResponseWriter.
func (r *Recorder) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *Recorder) WriteHeader(status int) { r.Status = status }

// Write keeps a part of the body.
func (r *Recorder) Write(data []byte) (int, error) { return r.Body.Write(data) }

// CopyHeader writes the kept status and headers, for a body of that length.
func (r *Recorder) CopyHeader(w http.ResponseWriter, length int) {
	for key, values := range r.header {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(r.Status)
}

// CopyTo writes the whole reply.
func (r *Recorder) CopyTo(w http.ResponseWriter) {
	r.CopyHeader(w, r.Body.Len())
	_, _ = w.Write(r.Body.Bytes())
}
