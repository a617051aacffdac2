// See app.pl. Many requests are served at a time.
package main

import (
	"fmt"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"syscall"
	"time"
)

func answer(w http.ResponseWriter, r *http.Request) {
	ask := r.URL.Query()
	ms, _ := strconv.Atoi(ask.Get("ms"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	for file := ask.Get("wait"); file != ""; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		}
	}
	if ask.Get("crash") == "abort" {
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		time.Sleep(time.Second)
	}
	if ask.Get("crash") != "" {
		os.Exit(3)
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "pid %d\n", os.Getpid())
}

func main() {
	if err := fcgi.Serve(nil, http.HandlerFunc(answer)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
