// SPDX-License-Identifier: Apache-2.0 OR MIT

// Lines about being reached: circuit relay, DCUtR and AutoNAT v2, all of which take loopback addresses here.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/multiformats/go-multiaddr"
)

// openReach makes the host one that arranges direct connections, and that tells others whether it can dial them.
func openReach(h host.Host) (*autonatv2.AutoNAT, error) {
	identified, ok := h.(interface{ IDService() identify.IDService })
	if !ok {
		return nil, errors.New("the host has no identify service")
	}
	if _, err := holepunch.NewService(h, identified.IDService(), h.Addrs); err != nil {
		return nil, err
	}
	dialer, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableRelay())
	if err != nil {
		return nil, err
	}
	nat, err := autonatv2.New(dialer, autonatv2.AllowPrivateAddrs)
	if err != nil {
		return nil, err
	}
	return nat, nat.Start(h)
}

func (n *node) relay(context.Context, []string) (answer, error) {
	_, err := relay.New(n.host, relay.WithReservationAddressFilter(func(multiaddr.Multiaddr) bool { return true }))
	return answer{}, err
}

// behind takes a place at a relay; the answer says where others reach us now.
func (n *node) behind(ctx context.Context, words []string) (answer, error) {
	address, err := multiaddr.NewMultiaddr(words[1])
	if err != nil {
		return nil, err
	}
	info, err := peer.AddrInfoFromP2pAddr(address)
	if err != nil {
		return nil, err
	}
	place, err := client.Reserve(ctx, n.host, *info)
	if err != nil {
		return nil, err
	}
	n.host.ConnManager().Protect(info.ID, "relay")
	return answer{"addr": words[1] + "/p2p-circuit/p2p/" + n.host.ID().String(), "expires": place.Expiration}, nil
}

// direct waits until a connection to the peer does without a relay.
func (n *node) direct(ctx context.Context, words []string) (answer, error) {
	id, err := peer.Decode(words[1])
	if err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		for _, c := range n.host.Network().ConnsToPeer(id) {
			if _, err := c.RemoteMultiaddr().ValueForProtocol(multiaddr.P_CIRCUIT); err != nil {
				return answer{"direct": true}, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.New("no direct connection")
}

// reach asks the peer whether it can dial us.
func (n *node) reach(ctx context.Context, words []string) (answer, error) {
	if _, err := n.connect(ctx, words[1]); err != nil {
		return nil, err
	}
	requests := []autonatv2.Request{{Addr: n.host.Addrs()[0], SendDialData: true}}
	result, err := n.nat.GetReachability(ctx, requests)
	for i := 0; i < 50 && errors.Is(err, autonatv2.ErrNoPeers); i++ { // identify is under way
		time.Sleep(100 * time.Millisecond)
		result, err = n.nat.GetReachability(ctx, requests)
	}
	if err != nil {
		return nil, err
	}
	return answer{"reach": result.Reachability.String()}, nil
}
