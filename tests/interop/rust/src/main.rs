// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A rust-libp2p peer that is told what to do, a line at a time, and answers each line with one of JSON. The peers
//! written in other languages speak the same lines (tests/interop/README.md).

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use cid::Cid;
use futures::StreamExt;
use libp2p::kad::{self, store::MemoryStore, GetProvidersOk, QueryResult, RecordKey};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{dial_opts::DialOpts, ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{dcutr, identify, identity, noise, ping, relay, tcp, yamux, Multiaddr, PeerId, StreamProtocol, Swarm};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
    relay: relay::Behaviour,
    relay_client: relay::client::Behaviour,
    dcutr: dcutr::Behaviour,
}

/// What the line under way waits for.
enum Waiting {
    Nothing,
    Ping(PeerId, ConnectionId),
    Identify(PeerId, ConnectionId),
    Provide(kad::QueryId),
    Find(kad::QueryId, Vec<String>),
    /// For a place at a relay.
    Behind,
    /// For a connection that does without a relay.
    Direct(PeerId),
}

fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

fn peer_of(address: &Multiaddr) -> Result<PeerId, String> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Ok(peer),
        _ => Err(format!("no peer id in {address}")),
    }
}

fn key_of(text: &str) -> Result<RecordKey, String> {
    let cid: Cid = text.parse().map_err(|e| format!("{text}: {e}"))?;
    Ok(RecordKey::new(&cid.hash().to_bytes()))
}

fn begin(swarm: &mut Swarm<Behaviour>, words: &[&str]) -> Result<Waiting, String> {
    match words {
        ["ping", address] | ["identify", address] => {
            let address: Multiaddr = address.parse().map_err(|e| format!("{address}: {e}"))?;
            let peer = peer_of(&address)?;
            let _ = swarm.disconnect_peer_id(peer); // so that both come anew
            swarm.behaviour_mut().kad.add_address(&peer, address.clone());
            let dial: DialOpts = address.into();
            let id = dial.connection_id();
            swarm.dial(dial).map_err(|e| e.to_string())?;
            Ok(if words[0] == "ping" { Waiting::Ping(peer, id) } else { Waiting::Identify(peer, id) })
        }
        ["relay"] => Ok(Waiting::Nothing), // it is one anyway
        ["provide", cid] => {
            let key = key_of(cid)?;
            let query = swarm.behaviour_mut().kad.start_providing(key).map_err(|e| e.to_string())?;
            Ok(Waiting::Provide(query))
        }
        ["find", cid] => Ok(Waiting::Find(swarm.behaviour_mut().kad.get_providers(key_of(cid)?), Vec::new())),
        ["behind", relay] => {
            let relay: Multiaddr = relay.parse().map_err(|e| format!("{relay}: {e}"))?;
            swarm.listen_on(relay.with(Protocol::P2pCircuit)).map_err(|e| e.to_string())?;
            Ok(Waiting::Behind)
        }
        ["direct", peer] => Ok(Waiting::Direct(peer.parse().map_err(|e| format!("{peer}: {e}"))?)),
        _ => Err(format!("no such command: {}", words.join(" "))),
    }
}

/// The answer to the line under way, once an event brings it.
fn answer(waiting: &mut Waiting, event: &SwarmEvent<BehaviourEvent>) -> Option<Value> {
    match (waiting, event) {
        (Waiting::Ping(peer, _), SwarmEvent::Behaviour(BehaviourEvent::Ping(event))) if event.peer == *peer => {
            Some(match &event.result {
                Ok(rtt) => json!({ "us": rtt.as_micros() as u64 }),
                Err(e) => json!({ "error": e.to_string() }),
            })
        }
        (
            Waiting::Identify(peer, _),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })),
        ) if peer_id == peer => Some(json!({
            "peer": peer_id.to_string(), "agent": info.agent_version,
            "protocols": info.protocols.iter().map(|p| p.to_string()).collect::<Vec<_>>(),
        })),
        (Waiting::Behind, SwarmEvent::NewListenAddr { address, .. }) if is_relayed(address) => {
            Some(json!({ "addr": address.to_string() }))
        }
        (Waiting::Behind, SwarmEvent::ListenerClosed { reason, .. }) => {
            Some(json!({ "error": format!("no place: {reason:?}") }))
        }
        // Of the dial that was asked for; there are others, of DCUtR.
        (
            Waiting::Ping(_, dial) | Waiting::Identify(_, dial),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. },
        ) if connection_id == dial => Some(json!({ "error": error.to_string() })),
        (waiting, SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed { id, result, step, .. }))) => {
            match (waiting, result) {
                (Waiting::Provide(query), QueryResult::StartProviding(done)) if query == id => Some(match done {
                    Ok(_) => json!({}),
                    Err(e) => json!({ "error": e.to_string() }),
                }),
                (Waiting::Find(query, found), QueryResult::GetProviders(done)) if query == id => {
                    if let Ok(GetProvidersOk::FoundProviders { providers, .. }) = done {
                        found.extend(providers.iter().map(|p| p.to_string()));
                    }
                    step.last.then(|| json!({ "providers": found }))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

async fn build(key: identity::Keypair, kad_protocol: StreamProtocol) -> Result<Swarm<Behaviour>, Box<dyn Error>> {
    let swarm = libp2p::SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_websocket(noise::Config::new, yamux::Config::default)
        .await?
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key, relay_client| {
            let id = key.public().to_peer_id();
            let mut kad = kad::Behaviour::with_config(
                id,
                MemoryStore::new(id),
                kad::Config::new(kad_protocol),
            );
            kad.set_mode(Some(kad::Mode::Server));
            Behaviour {
                ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(1))),
                identify: identify::Behaviour::new(identify::Config::new("ipfs/0.1.0".into(), key.public())),
                kad,
                relay: relay::Behaviour::new(id, relay::Config::default()),
                relay_client,
                dcutr: dcutr::Behaviour::new(id),
            }
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    Ok(swarm)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A DHT that nobody else speaks dials nobody.
    let kad_protocol = std::env::args().nth(1).unwrap_or("/kwaai/kad/1.0.0".into());
    let mut swarm = build(identity::Keypair::generate_ed25519(), StreamProtocol::try_from_owned(kad_protocol)?).await?;
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let me = *swarm.local_peer_id();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut todo: VecDeque<String> = VecDeque::new();
    let mut waiting: Option<(Waiting, tokio::time::Instant)> = None;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let (mut ended, mut told) = (false, false);
    let mut direct: HashSet<PeerId> = HashSet::new();
    loop {
        tokio::select! {
            line = lines.next_line(), if !ended => match line? {
                Some(line) => todo.push_back(line),
                None => ended = true,
            },
            _ = tick.tick() => {}
            event = swarm.select_next_some() => {
                match &event {
                    SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if !endpoint.is_relayed() => {
                        direct.insert(*peer_id);
                    }
                    SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                        direct.remove(peer_id);
                    }
                    _ => {}
                }
                if let SwarmEvent::NewListenAddr { address, .. } = &event {
                    if !is_relayed(address) {
                        swarm.add_external_address(address.clone());
                    }
                    if !told {
                        println!("{}", json!({ "peer": me.to_string(), "addrs": [format!("{address}/p2p/{me}")] }));
                        told = true;
                    }
                }
                if let SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) = &event {
                    for address in &info.listen_addrs {
                        swarm.behaviour_mut().kad.add_address(peer_id, address.clone());
                    }
                }
                if let Some((line, _)) = waiting.as_mut() {
                    if let Some(value) = answer(line, &event) {
                        println!("{value}");
                        waiting = None;
                    }
                }
            }
        }
        if matches!(&waiting, Some((Waiting::Nothing, _))) {
            println!("{}", json!({}));
            waiting = None;
        }
        if matches!(&waiting, Some((Waiting::Direct(peer), _)) if direct.contains(peer)) {
            println!("{}", json!({ "direct": true }));
            waiting = None;
        }
        if waiting.as_ref().is_some_and(|(_, since)| since.elapsed() > Duration::from_secs(60)) {
            println!("{}", json!({ "error": "no answer within 60 s" }));
            waiting = None;
        }
        if waiting.is_none() {
            match todo.pop_front() {
                Some(line) => match begin(&mut swarm, &line.split_whitespace().collect::<Vec<_>>()) {
                    Ok(started) => waiting = Some((started, tokio::time::Instant::now())),
                    Err(e) => println!("{}", json!({ "error": e })),
                },
                None if ended => return Ok(()),
                None => {}
            }
        }
    }
}
