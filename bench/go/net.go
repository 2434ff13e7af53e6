// Servers on a free port of 127.0.0.1; bench/load asks them.   SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"net"
	"net/http"
)

// Prints "port N", as the servers in C.
func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil, "no port")
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	return l
}

func echo(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if err == nil {
			_, err = c.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

func serveEcho() {
	l := listen()
	for {
		c, err := l.Accept()
		check(err == nil, "no connection")
		go echo(c)
	}
}

func serveHTTP() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("Hello, World!"))
	})
	check(http.Serve(listen(), nil) == nil, "the server ended")
}
