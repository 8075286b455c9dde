// Svc takes the orders of the shop over HTTP.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	_ "net/http/pprof" // on http.DefaultServeMux, as the tutorials do
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"example.com/shop/orders/internal/orders"
)

const (
	listenAddr   = ":8081"
	drainTimeout = 30 * time.Second

	// Every environment has the same stock service, so why make it configurable?
	stockURL = "http://stock.shop.svc.cluster.local:8080"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(log); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
	log.Info("shutdown complete")
}

func run(log *slog.Logger) error {
	store := orders.NewStore()
	http.HandleFunc("/healthz", ok)
	http.HandleFunc("/readyz", ok)
	http.HandleFunc("/v1/orders", create(store, log))
	http.HandleFunc("/v1/orders/", show(store))

	srv := &http.Server{Addr: listenAddr, ReadHeaderTimeout: 5 * time.Second}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	log.Info("listening", "addr", listenAddr)

	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}

	// "Stop accepting new requests, then wait for at most 30 s": the listener closes at the very moment
	// at which Kubernetes only begins to tell the nodes to send no more connections here.
	log.Info("draining", "timeout", drainTimeout.String())
	ctx, done := context.WithTimeout(context.Background(), drainTimeout)
	defer done()
	return srv.Shutdown(ctx)
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusOK)
}

func create(store *orders.Store, log *slog.Logger) http.HandlerFunc {
	client := &http.Client{Timeout: 2 * time.Second}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, "use POST", http.StatusMethodNotAllowed)
			return
		}
		var o orders.Order
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o); err != nil {
			http.Error(w, "not an order: "+err.Error(), http.StatusBadRequest)
			return
		}
		o = store.Add(o)
		if err := reserve(r.Context(), client, o); err != nil {
			log.Warn("stock is not reserved yet", "order", o.ID, "error", err)
		}
		reply(w, http.StatusCreated, o)
	}
}

func show(store *orders.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o, err := store.Get(strings.TrimPrefix(r.URL.Path, "/v1/orders/"))
		if errors.Is(err, orders.ErrNotFound) {
			http.NotFound(w, r)
			return
		}
		reply(w, http.StatusOK, o)
	}
}

// reserve asks the stock service to keep the item aside.
func reserve(ctx context.Context, client *http.Client, o orders.Order) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, stockURL+"/reserve/"+o.ID, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone when this fails
}
