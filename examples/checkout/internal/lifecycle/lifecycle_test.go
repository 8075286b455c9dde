package lifecycle

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// start runs a server whose only path blocks until release is closed.
func start(t *testing.T, drain time.Duration) (url string, entered, release chan struct{}, stop func(), done chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release, done = make(chan struct{}), make(chan struct{}), make(chan error, 1)
	server := &Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			select {
			case <-release:
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, "whole answer")
		}),
		Drain: drain,
		Log:   slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- server.Run(ctx, listener) }()
	return "http://" + listener.Addr().String(), entered, release, cancel, done
}

func TestRequestInFlightIsAnsweredWhole(t *testing.T) {
	url, entered, release, stop, done := start(t, time.Minute)
	body := make(chan string, 1)
	go func() {
		res, err := http.Get(url)
		if err != nil {
			body <- err.Error()
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		body <- string(text)
	}()
	<-entered
	stop()
	close(release)
	if got := <-body; got != "whole answer" {
		t.Errorf("in-flight request got %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestHangingRequestIsAbandonedAndReported(t *testing.T) {
	url, entered, _, stop, done := start(t, time.Millisecond)
	go func() {
		if res, err := http.Get(url); err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	stop()
	if err := <-done; err == nil {
		t.Error("Run reported a clean end although a request was cut")
	}
}

func TestReadinessAndLivenessMeanDifferentThings(t *testing.T) {
	s := &Server{Handler: http.NotFoundHandler()}
	for _, ready := range []bool{false, true} {
		s.ready.Store(ready)
		for path, want := range map[string]int{"/livez": 200, "/readyz": map[bool]int{false: 503, true: 200}[ready], "/alive": 404} {
			w := httptest.NewRecorder()
			r, _ := http.NewRequest(http.MethodGet, path, nil)
			s.mux().ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("ready=%v: GET %s = %d, want %d", ready, path, w.Code, want)
			}
		}
	}
}
