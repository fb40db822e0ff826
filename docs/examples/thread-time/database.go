// A service that asks a database over the network for each request, and writes what it has done to a
// journal of its own. The database is a goroutine here that answers after 20 ms.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go serveDatabase(listener)
	journal, err := os.CreateTemp("", "journal")
	check(err)
	for worker := 0; worker < 3; worker++ {
		go handleRequests(listener.Addr().String(), journal)
	}
	select {}
}

func handleRequests(address string, journal *os.File) {
	database, err := net.Dial("tcp", address)
	check(err)
	answers := bufio.NewReader(database)
	for {
		answer := query(database, answers)
		appendToJournal(journal, render(answer))
	}
}

func query(database net.Conn, answers *bufio.Reader) string {
	fmt.Fprintln(database, "SELECT 1")
	answer, err := answers.ReadString('\n')
	check(err)
	return answer
}

func render(answer string) []byte {
	sum := sha256.Sum256([]byte(answer))
	for round := 0; round < 5000; round++ {
		sum = sha256.Sum256(sum[:])
	}
	return sum[:]
}

func appendToJournal(journal *os.File, entry []byte) {
	_, err := journal.Write(entry)
	check(err)
	check(journal.Sync())
}

func serveDatabase(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			for queries := bufio.NewScanner(connection); queries.Scan(); {
				time.Sleep(20 * time.Millisecond)
				fmt.Fprintln(connection, "1")
			}
		}()
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
