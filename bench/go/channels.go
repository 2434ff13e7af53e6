// Channels and select.   SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"sync"
	"time"
)

func pingpong() {
	const warmUp, n = 10000, 3000000
	there, back := make(chan int64), make(chan int64)
	goAndReturn := func(n int64) {
		for i := int64(0); i < n; i++ {
			there <- i
			check(<-back == i, "pingpong: another value came back")
		}
	}
	go func() {
		defer close(back)
		for v := range there {
			back <- v
		}
	}()
	goAndReturn(warmUp)
	start := time.Now()
	goAndReturn(n)
	perOp("pingpong_unbuffered", start, n, "ns/roundtrip")
	close(there)
}

func flow(name string, n, producers, consumers, capacity int) {
	c := make(chan int64, capacity)
	each := n / producers
	type padded struct {
		sum int64
		_   [56]byte
	}
	received := make([]padded, consumers)
	var producing, consuming sync.WaitGroup
	start := time.Now()
	consuming.Add(consumers)
	producing.Add(producers)
	for i := range received {
		go func(sum *int64) {
			s := int64(0)
			for v := range c {
				s += v
			}
			*sum = s
			consuming.Done()
		}(&received[i].sum)
	}
	for i := 0; i < producers; i++ {
		go func() {
			for i := 0; i < each; i++ {
				c <- 1
			}
			producing.Done()
		}()
	}
	producing.Wait()
	close(c)
	consuming.Wait()
	perOp(name, start, each*producers, "ns/msg")
	sum := int64(0)
	for i := range received {
		sum += received[i].sum
	}
	check(sum == int64(each*producers), "flow: elements lost")
}

func select4() {
	const n = 2000000
	var c [4]chan int64
	for i := range c {
		c[i] = make(chan int64)
		go func(c chan<- int64) {
			for i := 0; i < n/4; i++ {
				c <- 1
			}
		}(c[i])
	}
	sum := int64(0)
	start := time.Now()
	for i := 0; i < n; i++ {
		var v int64
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		case v = <-c[3]:
		}
		sum += v
	}
	perOp("select4", start, n, "ns/msg")
	check(sum == n, "select4: elements lost")
}

func threadRing() {
	const size, hops = 503, 2000000
	done := make(chan int)
	first := make(chan int)
	in := first
	for id := 1; id <= size; id++ {
		out := first
		if id < size {
			out = make(chan int)
		}
		go func(id int, in <-chan int, out chan<- int) {
			for v := <-in; v != 0; v = <-in {
				out <- v - 1
			}
			done <- id
		}(id, in, out)
		in = out
	}
	start := time.Now()
	first <- hops
	last := <-done
	perOp("threadring503", start, hops, "ns/hop")
	check(last == hops%size+1, "threadring: it ended elsewhere")
}

func sieve() {
	const primes = 2000
	start := time.Now()
	c, prime := make(chan int), 0
	go func(out chan<- int) {
		for i := 2; ; i++ {
			out <- i
		}
	}(c)
	for i := 0; i < primes; i++ {
		prime = <-c
		next := make(chan int)
		go func(in <-chan int, out chan<- int, prime int) {
			for v := range in {
				if v%prime != 0 {
					out <- v
				}
			}
		}(c, next, prime)
		c = next
	}
	report("sieve_2000", float64(time.Since(start))/1e6, "ms")
	check(prime == 17389, "sieve: that is not the prime")
}

func deadlock() {
	c := make(chan int)
	fmt.Printf("deadlock_t0 %d ns\n", time.Now().UnixNano())
	go func() { c <- <-c }()
	<-c
}
