use burn_rsmamba::{RsmCdConfig, RsmSsConfig};
use burn_rsmamba_tests::device;

#[test]
fn model_summaries() {
    insta::assert_snapshot!("rsm_ss_micro", RsmSsConfig::micro().init(&device()).to_string());
    insta::assert_snapshot!("rsm_cd_micro", RsmCdConfig::micro().init(&device()).to_string());
}
