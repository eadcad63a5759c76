use super::*;

const RECORDED: &[u8] = include_bytes!("../recorded/npm-sigstore-2.0.0.json");

#[test]
fn a_recorded_one() {
    let release = Release {
        name: "sigstore",
        version: "2.0.0",
        integrity: "sha512-RtTi90xIdzFmQAAKb9+KWxnx4IR2Z5c+mFn3jdMXuPHgk3gTt3f7ZqKsZ9UFQP40ZAlm7un8LMo4cIK0yFzXPA==",
        published: None,
    };
    let release = Release { integrity: &format!("sha512-{}", BASE64.encode((0..64).map(|i| u8::from_str_radix(&"46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c"[2*i..2*i+2],16).unwrap()).collect::<Vec<_>>())), ..release };
    println!("{}", release.integrity);
    let verifier = BundleVerifier::public_good().unwrap();
    let read = NpmAttestations::read("sigstore@2.0.0", RECORDED).unwrap();
    println!(
        "{:?}",
        read.verify(&release, &verifier, &RegistryKeys::npm().unwrap())
    );
}
