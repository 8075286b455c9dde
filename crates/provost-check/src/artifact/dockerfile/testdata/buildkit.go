//go:build ignore

// Writes what BuildKit makes of every Dockerfile of cases.txt: the image configuration that
// dockerfile2llb ends with, or that it refuses the file.
//
//	go mod init x && go get github.com/moby/buildkit@v0.26.2
//	go run buildkit.go < cases.txt > buildkit.txt
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/solver/pb"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		name := strings.TrimPrefix(in.Text(), "=== ")
		in.Scan()
		var text string
		if err := json.Unmarshal([]byte(in.Text()), &text); err != nil {
			panic(err)
		}
		fmt.Printf("=== %s\n", name)
		caps := pb.Caps.CapSet(pb.Caps.All())
		_, img, _, _, err := dockerfile2llb.Dockerfile2LLB(context.Background(), []byte(text), dockerfile2llb.ConvertOpt{
			LLBCaps: &caps,
		})
		if err != nil {
			fmt.Println("refused")
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			continue
		}
		c := img.Config
		line := func(key string, value any) {
			fmt.Printf("%s ", key)
			out := json.NewEncoder(os.Stdout)
			out.SetEscapeHTML(false)
			if err := out.Encode(value); err != nil {
				panic(err)
			}
		}
		if len(c.Entrypoint) > 0 {
			line("entrypoint", c.Entrypoint)
		}
		if len(c.Cmd) > 0 {
			line("cmd", c.Cmd)
		}
		if c.User != "" {
			line("user", c.User)
		}
		if c.WorkingDir != "" && c.WorkingDir != "/" {
			line("workdir", c.WorkingDir)
		}
		for _, env := range c.Env {
			if !strings.HasPrefix(env, "PATH=") {
				line("env", env)
			}
		}
		var ports []string
		for port := range c.ExposedPorts {
			ports = append(ports, port)
		}
		sort.Strings(ports)
		for _, port := range ports {
			line("expose", port)
		}
		if c.Healthcheck != nil {
			line("healthcheck", c.Healthcheck.Test)
		}
		if c.StopSignal != "" {
			line("stopsignal", c.StopSignal)
		}
		if len(c.Shell) > 0 {
			line("shell", c.Shell)
		}
	}
}
