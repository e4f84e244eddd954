package main

import (
	"log"
	"runtime/debug"
)

// guarded does work of the lab's own, beside the answers to requests. Where
// the simulator comes upon an object that was destroyed meanwhile, it would end
// the whole process, and with it everybody's lab.
func guarded(what string, work func()) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Printf("%s met an object that is gone: %v\n%s", what, cause, debug.Stack())
		}
	}()
	work()
}
