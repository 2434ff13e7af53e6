// The measurements of bench/*.c in Go, with the same names and counts.   SPDX-License-Identifier: MIT
//
//	bench NAME     prints "name value unit", one a line; GOMAXPROCS says how many workers
package main

import (
	"fmt"
	"os"
	"time"
)

var measurements = map[string]func(){
	"pingpong":    pingpong,
	"spsc_unbuf":  func() { flow("chan_spsc_unbuffered", 4000000, 1, 1, 0) },
	"spsc_buf128": func() { flow("chan_spsc_buf128", 16000000, 1, 1, 128) },
	"mpmc_buf128": func() { flow("chan_mpmc_8x8_buf128", 8000000, 8, 8, 128) },
	"spawn_join":  spawnJoin,
	"select4":     select4,
	"threadring":  threadRing,
	"skynet":      skynet,
	"sieve":       sieve,
	"timers":      timers,
	"timer_ops":   timerOps,
	"mutex":       mutex,
	"waitgroup":   waitGroup,
	"yield":       yield,
	"mem_1M":      crowd,
	"deadlock":    deadlock,
	"serve_echo":  serveEcho,
	"serve_http":  serveHTTP,
}

func check(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func report(name string, value float64, unit string) {
	fmt.Printf("%s %.2f %s\n", name, value, unit)
}

func perOp(name string, start time.Time, n int, unit string) {
	report(name, float64(time.Since(start))/float64(n), unit)
}

func main() {
	if len(os.Args) != 2 || measurements[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench NAME")
		os.Exit(2)
	}
	measurements[os.Args[1]]()
}
