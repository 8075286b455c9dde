//go:build ignore

// Prints what sigs.k8s.io/yaml takes scalars for: text as JSON, then the JSON it becomes as a value, then as a key.
//
//	go mod init t && go get sigs.k8s.io/yaml@v1.6.0 && go run scalar.go > scalar.tsv
package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	words := strings.Fields(`y Y yes Yes YES yEs n N no No NO true True TRUE tRUE false False FALSE on On ON off Off OFF oFF
		null Null NULL nULL ~ .nan .NaN .NAN .Nan .inf .Inf .INF +.inf -.inf -.INF +.Inf -.nan
		0 1 -1 +1 00 007 0644 -0644 +0644 08 09 0778 0o644 0O644 -0o17 0o8 0x1F 0XfF -0x10 0x 0xG 0b101 -0b101 +0b11 0B1 0b2
		1_000 1_000_ _1 1__0 0x_F 0_7 0b_1 1_0.5 9223372036854775807 9223372036854775808 -9223372036854775808
		-9223372036854775809 18446744073709551615 18446744073709551616 99999999999999999999999 +9223372036854775808
		1.5 1. .5 . +.5 -.5 .5. 1.2.3 1e3 1E3 1e+3 1e-3 1.e3 .e3 1e 1e+ e3 1e400 -1e400 1e-400 .1e999 0.0 -0 -0.0 1.0 3.00
		12:30:45 1:20 190:20:30 2001-01-01 2001-1-1 2001-12-14t21:59:43.10-05:00 2001-12-15T02:59:43.1Z
		100m 1Gi 512Mi 1.5Gi 0.5 5% 25% 1,000 +12e03 -2E+05 + -- +- ++1 0.1_1 1e1_0 0x1p-2 0x1.8 infinity inf nan NaN
		1d 1f 0777 010 0o 0b 1 01 -01 -00 +0 0.e1 .5_0 12345678901234567890 1234567.0 123456789.5 <<`)
	for _, word := range words {
		text, _ := json.Marshal(word)
		value, err := yaml.YAMLToJSON([]byte("v: " + word + "\n"))
		if err != nil {
			value = []byte(`{"v":error}`)
		}
		key, err := yaml.YAMLToJSON([]byte(word + ": x\n"))
		if err != nil {
			key = []byte("error")
		}
		fmt.Printf("%s\t%s\t%s\n", text, strings.TrimSuffix(strings.TrimPrefix(string(value), `{"v":`), "}"), key)
	}
}
