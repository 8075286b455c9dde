//go:build ignore

// Prints quantity.tsv: what the API server's own parser makes of a grid of texts.
//
//	go mod init x && go get k8s.io/apimachinery/pkg/api/resource@v0.37.2 && go run quantity.go > quantity.tsv
//
// Columns: text, "ok" or "error", Value(), MilliValue(). A value that does not fit int64 is left out,
// because Value() wraps there.
package main

import (
	"fmt"
	"math/big"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	numbers := []string{"", "0", "00", "1", "+1", "-1", "-", "+", ".", "1.", ".5", "0.5", "-0.5", "1.5", "007", "100", "128", "512", "1023",
		"1.000000001", "0.0000000001", "0.1", "129", "999999999", "123456789012", "0.123456789123", "3.9999999999999999999999",
		"12345678901234567890", "1..5", "1 ", " 1", "1_000", "1,5", "0x10"}
	suffixes := []string{"", "n", "u", "m", "k", "K", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "ki", "mi", "KiB", "MB", "Mb", " Mi", "Mi ",
		"e", "e0", "e3", "E3", "e+3", "e-3", "E-9", "e-12", "e9", "e+", "e3.5", "e4294967296", "i", "m5", "Ki5", "Eee", "B", "%"}
	max := new(big.Int).SetUint64(1<<63 - 1)
	for _, n := range numbers {
		for _, s := range suffixes {
			text := n + s
			q, err := resource.ParseQuantity(text)
			if err != nil {
				fmt.Printf("%q\terror\n", text)
				continue
			}
			// Milli overflows first; compare exactly.
			d := q.AsDec()
			d2 := new(big.Rat)
			d2.SetString(d.String())
			d2.Mul(d2, big.NewRat(1000, 1))
			if d2.Sign() < 0 {
				fmt.Printf("%q\tnegative\n", text)
				continue
			}
			if new(big.Int).Quo(d2.Num(), d2.Denom()).Cmp(max) >= 0 {
				continue
			}
			q = resource.MustParse(text)
			fmt.Printf("%q\tok\t%d\t%d\n", text, q.Value(), q.MilliValue())
		}
	}
}
