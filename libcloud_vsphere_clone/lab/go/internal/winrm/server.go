// Package winrm serves Windows' remote shells in front of programs of this machine.
package winrm

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	maxEnvelopeBytes = 500 << 10 // Windows' MaxEnvelopeSizekb
	// waitDelay is how long a command's output may stay open after its end.
	waitDelay         = 500 * time.Millisecond
	certificateScheme = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
)

// Options are the settings of a WinRM server.
type Options struct {
	Program  []string `json:"program"` // gets each command line as its last argument
	Username string   `json:"username"`
	Password string   `json:"password"`
	Plain    bool     `json:"plain"`     // http, to put something of a test's own in front
	ClientCA string   `json:"client_ca"` // PEM; its certificates log in as the user
	Port     int      `json:"port"`      // 0 is any
}

// Server speaks the part of WS-Management that remote shells need
// (MS-WSMV §3.1.4: Create, Command, Send, Receive, Signal, Delete) with a login
// by Basic or certificate. Command lines go to a program of this machine: there
// is no Windows in the lab. Not spoken: Negotiate, message encryption, PSRP.
type Server struct {
	options Options
	server  *http.Server
	Address string // host:port

	mu      sync.Mutex
	shells  map[string]*shell
	actions map[string]int
	refused int
}

// Servers are those of one lab.
type Servers struct {
	mu      sync.Mutex
	servers map[string]*Server
}

// Start serves on a loopback port of its own.
//
// config is that of the lab's certificate; Start may change it.
func (s *Servers) Start(options Options, config *tls.Config) (*Server, error) {
	if len(options.Program) == 0 || options.Username == "" || options.Password == "" {
		return nil, errors.New("a WinRM server needs program, username and password")
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", options.Port))
	if err != nil {
		return nil, err
	}
	server := &Server{options: options, Address: listener.Addr().String()}
	server.shells, server.actions = map[string]*shell{}, map[string]int{}
	server.server = &http.Server{Handler: server, ErrorLog: log.New(io.Discard, "", 0)}
	if options.Plain {
		go func() { _ = server.server.Serve(listener) }()
	} else {
		server.server.TLSConfig = options.withClientCA(config)
		go func() { _ = server.server.ServeTLS(listener, "", "") }()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers == nil {
		s.servers = map[string]*Server{}
	}
	s.servers[server.Address] = server
	return server, nil
}

// withClientCA is the configuration, changed to take certificates of clients too.
func (o Options) withClientCA(config *tls.Config) *tls.Config {
	if o.ClientCA != "" {
		config.ClientAuth = tls.VerifyClientCertIfGiven
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM([]byte(o.ClientCA))
	}
	return config
}

// Stop ends one server and all that it runs.
func (s *Servers) Stop(address string) bool {
	s.mu.Lock()
	server, ok := s.servers[address]
	delete(s.servers, address)
	s.mu.Unlock()
	if ok {
		server.close()
	}
	return ok
}

// StopAll ends all of them.
func (s *Servers) StopAll() {
	s.mu.Lock()
	servers := s.servers
	s.servers = nil
	s.mu.Unlock()
	for _, server := range servers {
		server.close()
	}
}

// Find is the server at an address; nil when there is none.
func (s *Servers) Find(address string) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers[address]
}

func (s *Server) close() {
	_ = s.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shell := range s.shells {
		shell.close()
	}
	s.shells = map[string]*shell{}
}

// ServeHTTP checks the login of every request, as WinRM does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/wsman" || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelopeBytes))
	if !s.authorized(r) {
		s.count("")
		w.Header().Add("WWW-Authenticate", `Basic realm="WSMAN"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	request, parseErr := parseRequest(body)
	if err = errors.Join(err, parseErr); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.count(request.verb())
	answer, err := s.handle(r.Context(), request)
	writeAnswer(w, request, answer, err)
}

func (s *Server) authorized(r *http.Request) bool {
	if r.Header.Get("Authorization") == certificateScheme {
		return r.TLS != nil && len(r.TLS.VerifiedChains) > 0
	}
	username, password, _ := r.BasicAuth()
	name := subtle.ConstantTimeCompare([]byte(username), []byte(s.options.Username))
	return name&subtle.ConstantTimeCompare([]byte(password), []byte(s.options.Password)) == 1
}

// count notes a request by its verb; without one, it was refused.
func (s *Server) count(verb string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if verb == "" {
		s.refused++
		return
	}
	s.actions[verb]++
}

// Report counts what arrived: requests by verb, the refused ones, and what is left.
func (s *Server) Report() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	actions, running := map[string]int{}, 0
	for verb, count := range s.actions {
		actions[verb] = count
	}
	for _, shell := range s.shells {
		running += shell.running()
	}
	return map[string]any{"actions": actions, "refused": s.refused, "shells": len(s.shells), "running": running}
}

// handle gives the body of the answer.
func (s *Server) handle(ctx context.Context, request *request) (string, error) {
	if request.verb() == "Create" {
		return s.create(request)
	}
	s.mu.Lock()
	shell, ok := s.shells[request.shellID()]
	s.mu.Unlock()
	if !ok {
		return "", &fault{2150858843, "The request for the Windows Remote Shell with ShellId " +
			request.shellID() + " failed because the shell was not found on the server."}
	}
	switch request.verb() {
	case "Command":
		return shell.start(s.options.Program, request.Body.CommandLine.line())
	case "Send":
		return shell.send(request.Body.Send)
	case "Receive":
		return receive(ctx, shell, request)
	case "Signal":
		return shell.signal(request.Body.Signal)
	case "Delete":
		s.mu.Lock()
		delete(s.shells, request.shellID())
		s.mu.Unlock()
		shell.close()
		return "", nil
	}
	return "", &fault{2150858817, "The action " + request.Header.Action + " is not supported by the service."}
}

// receive waits for a command's output as long as the request says.
func receive(ctx context.Context, from *shell, request *request) (string, error) {
	wait, err := request.operationTimeout()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return from.receive(ctx, request.Body.Receive.DesiredStream.CommandID)
}

func (s *Server) create(request *request) (string, error) {
	if request.Header.ResourceURI != shellURI {
		return "", &fault{2150858752, "The WS-Management service cannot process the request. The resource URI (" +
			request.Header.ResourceURI + ") was not found."}
	}
	id := strings.ToUpper(uuid.NewString())
	s.mu.Lock()
	s.shells[id] = &shell{commands: map[string]*command{}}
	s.mu.Unlock()
	return fmt.Sprintf(createdBody, shellURI, id, id, shellURI), nil
}
