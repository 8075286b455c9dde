// Package orders keeps the orders of the shop in memory.
package orders

import (
	"errors"
	"strconv"
	"sync"
)

// ErrNotFound says that no order has the wanted id.
var ErrNotFound = errors.New("order not found")

// Order is one purchase. Amounts are cents, so that no rounding is needed.
type Order struct {
	ID          string `json:"id"`
	Item        string `json:"item"`
	AmountCents int64  `json:"amount_cents"`
}

// Store holds orders; it is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	orders map[string]Order
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{orders: map[string]Order{}}
}

// Add gives the order an id and keeps it.
func (s *Store) Add(o Order) Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.ID = strconv.Itoa(len(s.orders) + 1)
	s.orders[o.ID] = o
	return o
}

// Get returns the order with this id, or ErrNotFound.
func (s *Store) Get(id string) (Order, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.orders[id]
	if !ok {
		return Order{}, ErrNotFound
	}
	return o, nil
}
