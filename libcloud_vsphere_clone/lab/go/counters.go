package main

import (
	"maps"
	"sync"
)

// callCounters counts the SOAP calls that arrived, whether they succeeded or not.
type callCounters struct {
	mu           sync.Mutex
	byMethod     map[string]int
	bytesOut     int64
	logins       int
	failedLogins int
}

// callReport is what GET /v1/calls says.
type callReport struct {
	Total    int            `json:"total"`
	ByMethod map[string]int `json:"by_method"`
	BytesOut int64          `json:"bytes_out"`
}

func newCallCounters() *callCounters {
	return &callCounters{byMethod: map[string]int{}}
}

func (c *callCounters) arrived(method string) {
	c.mu.Lock()
	c.byMethod[method]++
	c.mu.Unlock()
}

func (c *callCounters) sent(n int) {
	c.mu.Lock()
	c.bytesOut += int64(n)
	c.mu.Unlock()
}

// loggedIn counts an attempt to log in; these counters are never reset.
func (c *callCounters) loggedIn(succeeded bool) {
	c.mu.Lock()
	c.logins++
	if !succeeded {
		c.failedLogins++
	}
	c.mu.Unlock()
}

func (c *callCounters) loginReport() (total, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.logins, c.failedLogins
}

// report is a copy of the counters.
func (c *callCounters) report() callReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	report := callReport{ByMethod: maps.Clone(c.byMethod), BytesOut: c.bytesOut}
	for _, n := range c.byMethod {
		report.Total += n
	}
	return report
}

// reset sets the counters of calls and bytes to nothing.
func (c *callCounters) reset() {
	c.mu.Lock()
	clear(c.byMethod)
	c.bytesOut = 0
	c.mu.Unlock()
}
