package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"
)

// config is everything this process is told from outside.
type config struct {
	listenAddr string
	stock      *url.URL
	lameDuck   time.Duration
	drain      time.Duration
}

// configFromEnv reads the environment; every error names its variable.
func configFromEnv() (config, error) {
	var c config
	var errs [4]error
	c.listenAddr, errs[0] = address("LISTEN_ADDR", os.Getenv("LISTEN_ADDR"))
	c.stock, errs[1] = service("STOCK_URL", os.Getenv("STOCK_URL"))
	c.lameDuck, errs[2] = duration("LAME_DUCK", os.Getenv("LAME_DUCK"))
	c.drain, errs[3] = duration("DRAIN_TIMEOUT", os.Getenv("DRAIN_TIMEOUT"))
	return c, errors.Join(errs[:]...)
}

func address(name, value string) (string, error) {
	if _, _, err := net.SplitHostPort(value); err != nil {
		return "", fmt.Errorf("%s: want HOST:PORT or :PORT, not %q", name, value)
	}
	return value, nil
}

func service(name, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%s: want an http or https URL, not %q", name, value)
	}
	return u, nil
}

func duration(name, value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s: want a duration such as 5s, not %q", name, value)
	}
	return d, nil
}
