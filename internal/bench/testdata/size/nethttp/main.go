// Program nethttp uses net/http alone, which everything else here needs too.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	resp, err := http.Get(os.Getenv("DATABRICKS_HOST"))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	log.Print(resp.Status)
}
