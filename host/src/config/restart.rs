//! Owns which keys are read at the start only.

use super::Config;

impl Config {
    /// The keys of `hob.toml` that have another value here than there, and that a server which runs does
    /// not take over.
    pub fn what_needs_a_restart(&self, running: &Config) -> Vec<String> {
        let of_both = [
            ("server.listen", self.listen == running.listen),
            ("server.admin", self.admin == running.admin),
            // Other files are taken over; whether TLS is spoken at all is not.
            (
                "server.admin_certificate",
                self.admin_certificate.is_some() == running.admin_certificate.is_some(),
            ),
            ("server.host_threads", self.host_threads == running.host_threads),
            ("server.offload_threads", self.offload_threads == running.offload_threads),
            ("server.loops", self.loops == running.loops),
            ("server.access_log", self.access_log == running.access_log),
            ("server.requests_in_flight", self.requests_in_flight == running.requests_in_flight),
            ("server.drain_ms", self.drain == running.drain),
            ("server.data", self.data == running.data),
            ("server.handover", self.handover == running.handover),
            ("server.trust", self.trust == running.trust),
            ("deploy.token", self.deploy.token == running.deploy.token),
            ("connections", self.wire == running.wire),
        ];
        let other = of_both.into_iter().filter(|(_, is_same)| !is_same);
        other.map(|(key, _)| key.to_owned()).collect()
    }
}
