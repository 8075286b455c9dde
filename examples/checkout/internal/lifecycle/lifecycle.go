// Package lifecycle starts and ends an HTTP server so that a rollout loses no request.
//
// Kubernetes takes a terminating pod out of its Services and sends SIGTERM at the same time, so new
// connections keep arriving for some seconds. The order of the end is therefore:
//
//  1. SIGTERM: stop being ready, keep answering (lame duck), ask clients to close their connections;
//  2. close the listener and wait for the requests in flight (drain);
//  3. cut what is left and say so, so that the process ends by itself before it is killed.
//
// A second signal ends the process at once.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Server is an HTTP server with liveness, readiness and a graceful end.
type Server struct {
	// Handler serves everything but the health endpoints.
	Handler http.Handler
	// LameDuck is how long new connections are still answered after the signal.
	LameDuck time.Duration
	// Drain is how long requests in flight may take after the listener is closed.
	Drain time.Duration
	// Log receives one line per phase.
	Log *slog.Logger

	ready    atomic.Bool
	draining atomic.Bool
}

// Run serves on the listener until stop is done, then ends gracefully. It returns nil after a clean
// end, and an error when the server failed or requests had to be abandoned.
func (s *Server) Run(stop context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.mux(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second, // below Drain: a request that hangs does not hold up the end
		IdleTimeout:       60 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.ready.Store(true)
	s.Log.Info("listening", "addr", listener.Addr().String())

	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-stop.Done():
	}

	s.ready.Store(false)
	s.draining.Store(true)
	s.Log.Info("lame duck", "for", s.LameDuck.String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(s.LameDuck):
	}

	s.Log.Info("draining", "for", s.Drain.String())
	limit, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		// Shutdown itself cuts nothing: without Close the process would wait to be killed.
		return errors.Join(fmt.Errorf("requests abandoned after %s: %w", s.Drain, err), server.Close())
	}
	return nil
}

func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	// Alive: the process can answer. It looks at no dependency, because a restart cures none.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	// Ready: this pod should get traffic now.
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	mux.Handle("/", s.Handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close") // this answer is complete; the next request goes elsewhere
		}
		mux.ServeHTTP(w, r)
	})
}
