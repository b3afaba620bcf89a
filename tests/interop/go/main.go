// SPDX-License-Identifier: Apache-2.0 OR MIT

// A go-libp2p peer that is told what to do, a line at a time, and answers each line with one of JSON. The peers
// written in other languages speak the same lines (tests/interop/README.md).
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multiaddr"
)

type answer map[string]any

const perf = protocol.ID("/perf/1.0.0")

// keyOf makes the node's key: ed25519, rsa, secp256k1 or ecdsa.
func keyOf(kind string) (crypto.PrivKey, error) {
	kinds := map[string]int{"ed25519": crypto.Ed25519, "rsa": crypto.RSA, "secp256k1": crypto.Secp256k1, "ecdsa": crypto.ECDSA}
	number, known := kinds[kind]
	if !known {
		return nil, fmt.Errorf("no such kind of key: %s", kind)
	}
	key, _, err := crypto.GenerateKeyPairWithReader(number, 2048, rand.Reader)
	return key, err
}

type node struct {
	host host.Host
	dht  *dht.IpfsDHT
	nat  *autonatv2.AutoNAT
}

// connect takes an address with /p2p, and gives the peer at its end.
func (n *node) connect(ctx context.Context, text string) (peer.ID, error) {
	address, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return "", err
	}
	info, err := peer.AddrInfoFromP2pAddr(address)
	if err != nil {
		return "", err
	}
	return info.ID, n.host.Connect(ctx, *info)
}

func (n *node) ping(ctx context.Context, words []string) (answer, error) {
	id, err := n.connect(ctx, words[1])
	if err != nil {
		return nil, err
	}
	result := <-ping.Ping(ctx, n.host, id)
	return answer{"us": result.RTT.Microseconds()}, result.Error
}

func (n *node) identify(ctx context.Context, words []string) (answer, error) {
	id, err := n.connect(ctx, words[1])
	if err != nil {
		return nil, err
	}
	var protocols []protocol.ID
	for i := 0; i < 50 && len(protocols) == 0; i++ {
		time.Sleep(50 * time.Millisecond)
		protocols, err = n.host.Peerstore().GetProtocols(id)
	}
	agent, _ := n.host.Peerstore().Get(id, "AgentVersion")
	return answer{"peer": id.String(), "agent": agent, "protocols": protocols}, err
}

func (n *node) provide(ctx context.Context, words []string) (answer, error) {
	name, err := cid.Decode(words[1])
	if err != nil {
		return nil, err
	}
	return answer{}, n.dht.Provide(ctx, name, true)
}

func (n *node) find(ctx context.Context, words []string) (answer, error) {
	name, err := cid.Decode(words[1])
	if err != nil {
		return nil, err
	}
	found := []string{}
	for info := range n.dht.FindProvidersAsync(ctx, name, 1) {
		found = append(found, info.ID.String())
	}
	return answer{"providers": found}, nil
}

// perf asks the peer for as many bytes, and sends it as many: perf ADDR SEND RECEIVE.
func (n *node) perf(ctx context.Context, words []string) (answer, error) {
	id, err := n.connect(ctx, words[1])
	if err != nil {
		return nil, err
	}
	send, err := strconv.ParseUint(words[2], 10, 40)
	if err != nil {
		return nil, err
	}
	receive, err := strconv.ParseUint(words[3], 10, 40)
	if err != nil {
		return nil, err
	}
	stream, err := n.host.NewStream(ctx, id, perf)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	start := time.Now()
	if err = binary.Write(stream, binary.BigEndian, receive); err != nil {
		return nil, err
	}
	if _, err = io.CopyN(stream, zeros{}, int64(send)); err != nil {
		return nil, err
	}
	if err = stream.CloseWrite(); err != nil {
		return nil, err
	}
	got, err := io.Copy(io.Discard, stream)
	return answer{"sent": send, "received": got, "us": time.Since(start).Microseconds()}, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func servePerf(stream network.Stream) {
	defer stream.Close()
	var wanted uint64
	if binary.Read(stream, binary.BigEndian, &wanted) != nil {
		stream.Reset()
		return
	}
	io.Copy(io.Discard, stream)
	io.CopyN(stream, zeros{}, int64(wanted))
}

func main() {
	kind, kad := "ed25519", protocol.ID("/kwaai/kad/1.0.0")
	if len(os.Args) > 1 {
		kind = os.Args[1]
	}
	if len(os.Args) > 2 { // a DHT that nobody else speaks dials nobody
		kad = protocol.ID(os.Args[2])
	}
	out := json.NewEncoder(os.Stdout)
	fail := func(err error) { out.Encode(answer{"error": err.Error()}) }
	key, err := keyOf(kind)
	if err != nil {
		fail(err)
		os.Exit(1)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Ping(true))
	if err != nil {
		fail(err)
		os.Exit(1)
	}
	ctx := context.Background()
	// Loopback addresses are no strangers here.
	table, err := dht.New(h, dht.Mode(dht.ModeServer), dht.V1ProtocolOverride(kad),
		dht.AddressFilter(func(all []multiaddr.Multiaddr) []multiaddr.Multiaddr { return all }),
		dht.RoutingTableFilter(nil), dht.QueryFilter(func(any, peer.AddrInfo) bool { return true }))
	if err != nil {
		fail(err)
		os.Exit(1)
	}
	h.SetStreamHandler(perf, servePerf)
	nat, err := openReach(h)
	if err != nil {
		fail(err)
		os.Exit(1)
	}
	n := &node{h, table, nat}
	addresses := []string{}
	for _, address := range h.Addrs() {
		addresses = append(addresses, address.String()+"/p2p/"+h.ID().String())
	}
	out.Encode(answer{"peer": h.ID().String(), "addrs": addresses})
	commands := map[string]struct {
		words int
		run   func(context.Context, []string) (answer, error)
	}{
		"ping": {2, n.ping}, "identify": {2, n.identify}, "provide": {2, n.provide}, "find": {2, n.find}, "perf": {4, n.perf},
		"relay": {1, n.relay}, "behind": {2, n.behind}, "direct": {2, n.direct}, "reach": {2, n.reach},
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		command, known := commands[words[0]]
		if !known || command.words != len(words) {
			fail(fmt.Errorf("no such command: %s", lines.Text()))
			continue
		}
		limited, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "a test"), 60*time.Second)
		if result, err := command.run(limited, words); err != nil {
			fail(err)
		} else {
			out.Encode(result)
		}
		cancel()
	}
	h.Close()
}
