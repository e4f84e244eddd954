package soap

import (
	"maps"
	"sync"
)

// Counters counts the SOAP calls that arrived, whether they succeeded or not.
type Counters struct {
	mu           sync.Mutex
	byMethod     map[string]int
	bytesOut     int64
	logins       int
	failedLogins int
}

// Report is the answer to GET /v1/calls.
type Report struct {
	Total    int            `json:"total"`
	ByMethod map[string]int `json:"by_method"`
	BytesOut int64          `json:"bytes_out"`
}

// NewCounters are counters at zero.
func NewCounters() *Counters {
	return &Counters{byMethod: map[string]int{}}
}

// Arrived counts a call of that method.
func (c *Counters) Arrived(method string) {
	c.mu.Lock()
	c.byMethod[method]++
	c.mu.Unlock()
}

// Sent counts the bytes of an answer.
func (c *Counters) Sent(n int) {
	c.mu.Lock()
	c.bytesOut += int64(n)
	c.mu.Unlock()
}

// LoggedIn counts an attempt to log in; these counters are never reset.
func (c *Counters) LoggedIn(succeeded bool) {
	c.mu.Lock()
	c.logins++
	if !succeeded {
		c.failedLogins++
	}
	c.mu.Unlock()
}

// Logins are the attempts to log in since the start, and how many of them failed.
func (c *Counters) Logins() (total, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.logins, c.failedLogins
}

// Report is a copy of the counters.
func (c *Counters) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	report := Report{ByMethod: maps.Clone(c.byMethod), BytesOut: c.bytesOut}
	for _, n := range c.byMethod {
		report.Total += n
	}
	return report
}

// Reset sets the counters of calls and bytes to nothing.
func (c *Counters) Reset() {
	c.mu.Lock()
	clear(c.byMethod)
	c.bytesOut = 0
	c.mu.Unlock()
}
