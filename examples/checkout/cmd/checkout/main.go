// Checkout takes the orders of the shop over HTTP.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/shop/checkout/internal/lifecycle"
)

const serviceName = "checkout"

func main() {
	healthcheck := flag.Bool("healthcheck", false, "ask the running process whether it is alive, and exit")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service.name", serviceName)
	var err error
	if *healthcheck {
		err = askAlive()
	} else {
		err = run(log)
	}
	if err != nil {
		log.Error("stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	stop, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer release()
	// After the first signal the default action is back: a second one ends the process at once.
	context.AfterFunc(stop, release)

	c, err := configFromEnv()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(stop, "tcp", c.listenAddr)
	if err != nil {
		return err
	}
	server := &lifecycle.Server{
		Handler:  newAPI(c.stock, log),
		LameDuck: c.lameDuck,
		Drain:    c.drain,
		Log:      log,
	}
	if err := server.Run(stop, listener); err != nil {
		return err
	}
	log.Info("shutdown complete")
	return nil
}

// askAlive is the health check for container engines that run one inside the image, which has no shell.
func askAlive() error {
	_, port, err := net.SplitHostPort(os.Getenv("LISTEN_ADDR"))
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://" + net.JoinHostPort("localhost", port) + "/livez")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not alive: %s", res.Status)
	}
	return nil
}
