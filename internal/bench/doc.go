// Package bench measures the caches, the verifier, the policies and the Databricks
// plug of brickfed beside what others offer for the same job, in one run. It has
// tests only:
//
//	go test ./...             // every figure measured, ours held to its promise
//	go test -v -run TestOutage
//	go test -bench .          // the time of a cache hit, and of a mapping
//	go test -update           // the tables of README.md and the charts, drawn anew
//
// It is a module of its own, so that its peers are nobody's dependencies. Its go
// line is the one that they need.
//
// # How the figures come about
//
// Every cache is wrapped around the same fake token service. Time is that of a
// testing/synctest bubble, and so exact, wherever the peer allows it: a cache
// that holds a mutex during a call cannot have several callers in a bubble, where
// waiting for a mutex is not durably blocking. Those are measured in real time,
// with short calls.
//
// A policy is written in the words of each peer, compiled before the time is
// taken, and held to giving the same groups and target as the others. How long it
// takes is the best of many short rounds in real time, as it is for a cache hit.
//
// The tests assert what brickfed promises; of its peers they assert only what the
// comparison with the Databricks SDK rests on, so that a mended peer is noticed.
package bench
