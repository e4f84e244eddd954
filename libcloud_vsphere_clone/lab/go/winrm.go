package main

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

// winrmRequest says what a WinRM server is to be like.
type winrmRequest struct {
	Program  []string `json:"program"` // gets each command line as its last argument
	Username string   `json:"username"`
	Password string   `json:"password"`
	Plain    bool     `json:"plain"`     // http, for a test's own front
	ClientCA string   `json:"client_ca"` // PEM; its certificates log in as the user
	Port     int      `json:"port"`      // 0 is any
}

// winrmServer speaks the part of WS-Management that remote shells need
// (MS-WSMV §3.1.4: Create, Command, Send, Receive, Signal, Delete) with a login
// by Basic or certificate. Command lines go to a program of this machine: there
// is no Windows in the lab. Not spoken: Negotiate, message encryption, PSRP.
type winrmServer struct {
	request winrmRequest
	server  *http.Server
	address string

	mu      sync.Mutex
	shells  map[string]*winrmShell
	actions map[string]int
	refused int
}

// winrmServers are those of one lab.
type winrmServers struct {
	mu      sync.Mutex
	servers map[string]*winrmServer
}

// start serves on a loopback port of its own with the lab's certificate.
func (s *winrmServers) start(request winrmRequest, certificates *certificates) (*winrmServer, error) {
	if len(request.Program) == 0 || request.Username == "" || request.Password == "" {
		return nil, errors.New("a WinRM server needs program, username and password")
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", request.Port))
	if err != nil {
		return nil, err
	}
	server := &winrmServer{request: request, address: listener.Addr().String()}
	server.shells, server.actions = map[string]*winrmShell{}, map[string]int{}
	server.server = &http.Server{Handler: server, ErrorLog: log.New(io.Discard, "", 0)}
	if request.Plain {
		go func() { _ = server.server.Serve(listener) }()
	} else {
		server.server.TLSConfig = certificates.config()
		if request.ClientCA != "" {
			server.server.TLSConfig.ClientAuth = tls.VerifyClientCertIfGiven
			server.server.TLSConfig.ClientCAs = x509.NewCertPool()
			server.server.TLSConfig.ClientCAs.AppendCertsFromPEM([]byte(request.ClientCA))
		}
		go func() { _ = server.server.ServeTLS(listener, "", "") }()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers == nil {
		s.servers = map[string]*winrmServer{}
	}
	s.servers[server.address] = server
	return server, nil
}

// stop ends one server and all that it runs.
func (s *winrmServers) stop(address string) bool {
	s.mu.Lock()
	server, ok := s.servers[address]
	delete(s.servers, address)
	s.mu.Unlock()
	if ok {
		server.close()
	}
	return ok
}

func (s *winrmServers) stopAll() {
	s.mu.Lock()
	servers := s.servers
	s.servers = nil
	s.mu.Unlock()
	for _, server := range servers {
		server.close()
	}
}

func (s *winrmServers) find(address string) *winrmServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers[address]
}

func (s *winrmServer) close() {
	_ = s.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shell := range s.shells {
		shell.close()
	}
	s.shells = map[string]*winrmShell{}
}

// ServeHTTP checks the login of every request, as WinRM does.
func (s *winrmServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	request, parseErr := parseWsman(body)
	if err = errors.Join(err, parseErr); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.count(request.verb())
	answer, err := s.handle(r.Context(), request)
	writeWsman(w, request, answer, err)
}

func (s *winrmServer) authorized(r *http.Request) bool {
	if r.Header.Get("Authorization") == certificateScheme {
		return r.TLS != nil && len(r.TLS.VerifiedChains) > 0
	}
	username, password, _ := r.BasicAuth()
	name := subtle.ConstantTimeCompare([]byte(username), []byte(s.request.Username))
	return name&subtle.ConstantTimeCompare([]byte(password), []byte(s.request.Password)) == 1
}

// count notes a request by its verb; without one, it was refused.
func (s *winrmServer) count(verb string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if verb == "" {
		s.refused++
		return
	}
	s.actions[verb]++
}

func (s *winrmServer) report() map[string]any {
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
func (s *winrmServer) handle(ctx context.Context, request *wsmanRequest) (string, error) {
	if request.verb() == "Create" {
		return s.create(request)
	}
	s.mu.Lock()
	shell, ok := s.shells[request.shellID()]
	s.mu.Unlock()
	if !ok {
		return "", &wsmanFault{2150858843, "The request for the Windows Remote Shell with ShellId " +
			request.shellID() + " failed because the shell was not found on the server."}
	}
	switch request.verb() {
	case "Command":
		return shell.start(s.request.Program, request.Body.CommandLine.line())
	case "Send":
		return shell.send(request.Body.Send)
	case "Receive":
		wait, err := request.operationTimeout()
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		return shell.receive(ctx, request.Body.Receive.DesiredStream.CommandID)
	case "Signal":
		return shell.signal(request.Body.Signal)
	case "Delete":
		s.mu.Lock()
		delete(s.shells, request.shellID())
		s.mu.Unlock()
		shell.close()
		return "", nil
	}
	return "", &wsmanFault{2150858817, "The action " + request.Header.Action + " is not supported by the service."}
}

func (s *winrmServer) create(request *wsmanRequest) (string, error) {
	if request.Header.ResourceURI != shellURI {
		return "", &wsmanFault{2150858752, "The WS-Management service cannot process the request. The resource URI (" +
			request.Header.ResourceURI + ") was not found."}
	}
	id := strings.ToUpper(uuid.NewString())
	s.mu.Lock()
	s.shells[id] = &winrmShell{commands: map[string]*winrmCommand{}}
	s.mu.Unlock()
	return fmt.Sprintf(createdBody, shellURI, id, id, shellURI), nil
}
