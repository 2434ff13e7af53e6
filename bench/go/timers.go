// Sleeps and timers.   SPDX-License-Identifier: MIT
package main

import (
	"math/rand"
	"sort"
	"sync"
	"time"
)

func timers() {
	const n = 100000
	want, late := make([]time.Duration, n), make([]time.Duration, n)
	random := rand.New(rand.NewSource(42))
	for i := range want {
		want[i] = time.Duration(random.Int63n(int64(time.Second)))
	}
	var all sync.WaitGroup
	all.Add(n)
	start := time.Now()
	for i := range want {
		go func(i int) {
			start := time.Now()
			time.Sleep(want[i])
			late[i] = time.Since(start) - want[i]
			all.Done()
		}(i)
	}
	all.Wait()
	report("sleep100k_wall", float64(time.Since(start))/1e6, "ms")
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	report("sleep100k_late_p50", float64(late[n/2])/1e3, "us")
	report("sleep100k_late_p99", float64(late[n*99/100])/1e3, "us")
	report("sleep100k_late_max", float64(late[n-1])/1e3, "us")
	check(late[0] >= 0, "timers: one woke too early")
}

func timerOps() {
	const n, pending = 3000000, 100000
	never := func() { check(false, "timer_ops: a timer fired") }
	start := time.Now()
	for i := 0; i < n; i++ {
		time.AfterFunc(time.Hour, never).Stop()
	}
	perOp("timer_new_stop", start, n, "ns")
	t := time.AfterFunc(time.Hour, never)
	t.Stop()
	reset := func(name string, times int) {
		start := time.Now()
		for i := 0; i < n; i++ {
			t.Reset(time.Hour + time.Duration(i%times)*time.Millisecond)
			t.Stop()
		}
		perOp(name, start, n, "ns")
	}
	reset("timer_reset_stop", 1)
	for i := 0; i < pending; i++ {
		time.AfterFunc(time.Hour+time.Duration(i)*time.Millisecond, never)
	}
	reset("timer_reset_stop_100k_pending", pending)
}
