// Goroutines, their number and their memory; locks.   SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

func spawnJoin() {
	const n = 1000000
	var w sync.WaitGroup
	done := func() { w.Done() }
	batches := func(total, batch int) {
		for ; total > 0; total -= batch {
			w.Add(batch)
			for i := 0; i < batch; i++ {
				go done()
			}
			w.Wait()
		}
	}
	measure := func(name string, batch int) {
		batches(batch, batch)
		start := time.Now()
		batches(n, batch)
		perOp(name, start, n, "ns/goroutine")
	}
	measure("spawn_join_b1000", 1000)
	measure("spawn_join_b100k", 100000)
}

func sky(out chan<- int64, first, leaves int64) {
	if leaves == 1 {
		out <- first
		return
	}
	in, part, sum := make(chan int64), leaves/10, int64(0)
	for i := int64(0); i < 10; i++ {
		go sky(in, first+i*part, part)
	}
	for i := 0; i < 10; i++ {
		sum += <-in
	}
	out <- sum
}

func skynet() {
	const n = 1000000
	for _, name := range []string{"skynet_1M_cold", "skynet_1M_warm"} {
		out := make(chan int64)
		start := time.Now()
		go sky(out, 0, n)
		sum := <-out
		report(name, float64(time.Since(start))/1e6, "ms")
		check(sum == n*(n-1)/2, "skynet: wrong sum")
	}
}

func residentBytes() float64 {
	var size, pages int
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &size, &pages)
	}
	check(err == nil, "mem_1M: no /proc/self/statm")
	return float64(pages * os.Getpagesize())
}

func crowd() {
	const n = 1000000
	var gate chan struct{}
	var up, down sync.WaitGroup
	gather := func(create string) {
		gate = make(chan struct{})
		here := gate
		up.Add(n)
		down.Add(n)
		start := time.Now()
		for i := 0; i < n; i++ {
			go func() {
				up.Done()
				<-here
				down.Done()
			}()
		}
		up.Wait()
		report(create, time.Since(start).Seconds(), "s")
		time.Sleep(200 * time.Millisecond)
	}
	before := residentBytes()
	gather("mem_1M_create_cold")
	close(gate)
	down.Wait()
	gather("mem_1M_create")
	report("mem_1M_rss", (residentBytes()-before)/n, "bytes/goroutine")
	start := time.Now()
	close(gate)
	down.Wait()
	report("mem_1M_wake_exit", time.Since(start).Seconds(), "s")
}

func mutex() {
	const goroutines, n, alone = 8, 1000000, 20000000
	var lock sync.Mutex
	var all sync.WaitGroup
	counter := 0
	count := func(n int) {
		for i := 0; i < n; i++ {
			lock.Lock()
			counter++
			lock.Unlock()
		}
	}
	all.Add(goroutines)
	start := time.Now()
	for i := 0; i < goroutines; i++ {
		go func() {
			count(n)
			all.Done()
		}()
	}
	all.Wait()
	perOp("mutex_contended_8x1M", start, goroutines*n, "ns/op")
	start = time.Now()
	count(alone)
	perOp("mutex_uncontended", start, alone, "ns/op")
	check(counter == goroutines*n+alone, "mutex: an update was lost")
}

func waitGroup() {
	const rounds, workers = 100000, 8
	var round, all sync.WaitGroup
	var starts [workers]chan struct{}
	all.Add(workers)
	for i := range starts {
		starts[i] = make(chan struct{}, 1)
		go func(start <-chan struct{}) {
			for range start {
				round.Done()
			}
			all.Done()
		}(starts[i])
	}
	start := time.Now()
	for i := 0; i < rounds; i++ {
		round.Add(workers)
		for _, c := range starts {
			c <- struct{}{}
		}
		round.Wait()
	}
	perOp("waitgroup_barrier_8", start, rounds, "ns/round")
	for _, c := range starts {
		close(c)
	}
	all.Wait()
}

func yield() {
	const n, goroutines = 5000000, 2
	var all sync.WaitGroup
	all.Add(goroutines)
	start := time.Now()
	for i := 0; i < goroutines; i++ {
		go func() {
			for i := 0; i < n; i++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	perOp("gosched", start, goroutines*n, "ns/yield")
}
