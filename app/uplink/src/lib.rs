//! Results to the MES over MQTT; the only crate that names the MQTT client.
