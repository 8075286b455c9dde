package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/shop/checkout/internal/orders"
)

// api answers /v1/orders.
type api struct {
	store  *orders.Store
	stock  *url.URL
	client *http.Client
	log    *slog.Logger
}

func newAPI(stock *url.URL, log *slog.Logger) http.Handler {
	a := &api{
		store:  orders.NewStore(),
		stock:  stock,
		client: &http.Client{Timeout: 2 * time.Second},
		log:    log,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/orders", a.create)
	mux.HandleFunc("GET /v1/orders/{id}", a.show)
	return mux
}

func (a *api) create(w http.ResponseWriter, r *http.Request) {
	log := a.log.With(traceIDs(r)...)
	var o orders.Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o); err != nil {
		http.Error(w, "not an order: "+err.Error(), http.StatusBadRequest)
		return
	}
	o = a.store.Add(o)
	if err := a.reserve(r.Context(), r.Header.Get("traceparent"), o); err != nil {
		log.Warn("stock is not reserved yet", "order", o.ID, "error", err.Error())
	}
	log.Info("order taken", "order", o.ID, "amount_cents", o.AmountCents)
	reply(w, http.StatusCreated, o)
}

func (a *api) show(w http.ResponseWriter, r *http.Request) {
	o, err := a.store.Get(r.PathValue("id"))
	if errors.Is(err, orders.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	reply(w, http.StatusOK, o)
}

// reserve asks the stock service to keep the item aside.
func (a *api) reserve(ctx context.Context, traceparent string, o orders.Order) error {
	target := a.stock.JoinPath("reserve", o.ID)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), nil)
	if err != nil {
		return err
	}
	if traceparent != "" {
		req.Header.Set("traceparent", traceparent)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("stock service answered %s", res.Status)
	}
	return nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // it fails only when the client is gone
}

// traceIDs returns the log attributes of the W3C trace context of a request, none outside a trace.
func traceIDs(r *http.Request) []any {
	part := strings.Split(r.Header.Get("traceparent"), "-")
	if len(part) != 4 || !isID(part[1], 32) || !isID(part[2], 16) {
		return nil
	}
	return []any{"trace_id", part[1], "span_id", part[2]}
}

// isID says whether text is a W3C id: lower-case hex of this length and not all zeros.
func isID(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789abcdef") == "" && strings.Trim(text, "0") != ""
}
