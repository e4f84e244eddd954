package main

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
)

// countingWriter knows what was answered.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(data []byte) (int, error) {
	n, err := w.ResponseWriter.Write(data)
	w.bytes += n
	return n, err
}

// reset ends the connection with a TCP reset instead of a reply.
func (w *countingWriter) reset() {
	w.status = 0
	connection, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // no connection of its own: at least no reply
	}
	if wrapped, ok := connection.(interface{ NetConn() net.Conn }); ok {
		connection = wrapped.NetConn() // below TLS, which would say goodbye
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// recorder keeps a reply until it is known what becomes of it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder {
	return &recorder{header: http.Header{}, status: http.StatusOK}
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(data []byte) (int, error) { return r.body.Write(data) }

func (r *recorder) copyHeader(w http.ResponseWriter, length int) {
	for key, values := range r.header {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(r.status)
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	r.copyHeader(w, r.body.Len())
	_, _ = w.Write(r.body.Bytes())
}
