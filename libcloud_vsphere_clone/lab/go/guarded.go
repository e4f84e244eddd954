package main

import (
	"log"
	"runtime/debug"
)

// guarded does work beside the answers to requests: tasks, and the lab's own. Where
// the simulator comes upon an object that was destroyed meanwhile, it would end
// the whole process, and with it everybody's lab. It tells whether the work
// came to its end.
func guarded(what string, work func()) (done bool) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Printf("%s met an object that is gone: %v\n%s", what, cause, debug.Stack())
		}
	}()
	work()
	return true
}
