use pinfold::{config::EgressTier, egress::*, policy::EgressPolicy};
use std::net::*;
fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let l = Listeners { names: UdpSocket::bind("127.0.0.1:0").unwrap(), streams: vec![TcpListener::bind(("127.9.9.9", port)).unwrap()] };
    let policy = EgressPolicy { rules: [format!("localhost:{port}").parse().unwrap()].into(), tier: EgressTier::Names, check_server_name: true, connections: 256, bytes: None, trusts_names: false };
    let _e = Egress::start(l, policy, Outside::default(), |e| println!("{e}")).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(600));
}
