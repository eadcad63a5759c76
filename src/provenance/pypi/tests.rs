use super::*;

#[test]
fn recorded() {
    let verifier = BundleVerifier::public_good().unwrap();
    for (name, sha256, doc) in [
        (
            "pypi_attestations-0.0.19.tar.gz",
            "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3",
            &include_bytes!("../recorded/pypi-pypi_attestations-0.0.19.json")[..],
        ),
        (
            "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl",
            "8cb34da1e27336f11a2c43f3f9c7433bd76f24f470c904724f06ad7f131d9e9f",
            &include_bytes!("../recorded/pypi-circleci_sign_publish_example-0.0.1.dev137.json")[..],
        ),
        (
            "gcb_attestation_test-0.0.0.tar.gz",
            "461317362419124b6012e855423a9078d6de8aed3e74fa78cc74d669b23dc6cf",
            &include_bytes!("../recorded/pypi-gcb_attestation_test-0.0.0.json")[..],
        ),
    ] {
        println!(
            "{:?}",
            verify_pypi(&PypiFile { name, sha256 }, doc, &verifier)
        );
    }
}
