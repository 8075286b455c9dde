// Command goreader reads of a Go binary, with Go's own packages, what Provost reads of it: the
// build information, the ELF headers, and the name of every function.
package main

import (
	"debug/buildinfo"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	path := os.Args[1]
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	file, err := elf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	needed, err := file.DynString(elf.DT_NEEDED)
	if err != nil {
		log.Fatal(err)
	}
	text := file.Section(".text")
	table, err := file.Section(".gopclntab").Data()
	if err != nil {
		log.Fatal(err)
	}
	// Since Go 1.26 the header holds no start of the text; that of the section is the same for
	// a program linked without cgo.
	symbols, err := gosym.NewTable(nil, gosym.NewLineTable(table, text.Addr))
	if err != nil {
		log.Fatal(err)
	}
	signals := 0
	for _, function := range symbols.Funcs {
		if strings.HasPrefix(function.Name, "os/signal.") {
			signals++
		}
	}
	fmt.Println(info.GoVersion, len(info.Deps), len(needed), len(symbols.Funcs), signals)
}
