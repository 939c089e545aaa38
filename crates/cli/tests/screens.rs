//! What a person sees without a server: help, and what is said of a command line that makes no sense. `TRYCMD=overwrite` writes the
//! screens anew; read what changed.

#[test]
fn screens_without_a_server_are_as_they_were_read() {
    trycmd::TestCases::new().case("tests/screens/*.trycmd");
}
