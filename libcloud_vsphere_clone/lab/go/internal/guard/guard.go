// Package guard keeps a panic beside the requests from ending the program.
package guard

import (
	"log"
	"runtime/debug"
)

// Run does work beside the answers to requests: tasks, and the lab's own. A
// panic of it is logged, not passed on: where the simulator comes upon an object
// that was destroyed meanwhile, it would end the whole process. It reports whether
// the work came to its end.
func Run(what string, work func()) (done bool) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Printf("%s met an object that is gone: %v\n%s", what, cause, debug.Stack())
		}
	}()
	work()
	return true
}
