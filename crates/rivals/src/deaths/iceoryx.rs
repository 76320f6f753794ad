//! iceoryx2 between processes: publish-subscribe without overflow. Its nodes are monitored; the
//! participant that finds a dead one reports it and removes its resources, as iceoryx2 documents.

use super::{BYTES, SLOTS};
use harness::deaths::{Answer, End, PATIENCE, Role};
use iceoryx2::config::Config;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

enum Side {
    Publisher(Publisher<ipc::Service, [u8], ()>),
    Subscriber(Subscriber<ipc::Service, [u8], ()>),
}

/// A port, and what keeps it.
pub(super) struct Port {
    side: Side,
    _service: PortFactory<ipc::Service, [u8], ()>,
    node: Node<ipc::Service>,
}

/// The files of a run are apart from those of all others.
fn config(ring: &str) -> Result<Config> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config.global.prefix = FileName::new(format!("{ring}-").as_bytes())?;
    let place = std::env::current_dir()?;
    config.global.set_root_path(&Path::new(place.to_string_lossy().as_bytes())?);
    Ok(config)
}

/// A new node removes the resources of dead ones.
pub(super) fn clean(ring: &str) -> std::result::Result<(), String> {
    let node =
        config(ring).and_then(|config| Ok(NodeBuilder::new().config(&config).create::<ipc::Service>()?));
    node.map_err(|error| error.to_string())?.try_cleanup_dead_nodes();
    Ok(())
}

impl Port {
    pub(super) fn join(ring: &str, role: Role) -> Result<Self> {
        let config = config(ring)?;
        let node = NodeBuilder::new().config(&config).create::<ipc::Service>()?;
        let service = node
            .service_builder(&ring.try_into()?)
            .publish_subscribe::<[u8]>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size(SLOTS)
            .max_publishers(4)
            .max_subscribers(4)
            .max_nodes(16)
            .open_or_create()?;
        let side = match role {
            Role::Writer => {
                let publisher = service.publisher_builder().initial_max_slice_len(BYTES);
                Side::Publisher(
                    publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?,
                )
            }
            Role::Reader => Side::Subscriber(service.subscriber_builder().create()?),
        };
        Ok(Self { side, _service: service, node })
    }
}

impl End for Port {
    fn send(&mut self, message: &[u8], _: &mut dyn FnMut()) -> std::result::Result<(), Answer> {
        let Side::Publisher(publisher) = &self.side else {
            return Err(Answer::Report("this end does not write".into()));
        };
        let failed = |error: &dyn std::fmt::Display| Answer::Report(error.to_string());
        let sample = publisher.loan_slice_uninit(message.len()).map_err(|error| failed(&error))?;
        sample.write_from_slice(message).send().map(drop).map_err(|error| failed(&error))
    }

    fn receive(&mut self, seen: &mut dyn FnMut(&[u8], bool)) -> std::result::Result<(), Answer> {
        let Side::Subscriber(subscriber) = &self.side else {
            return Err(Answer::Report("this end does not read".into()));
        };
        let begin = Instant::now();
        loop {
            match subscriber.receive() {
                Ok(Some(sample)) => {
                    seen(sample.payload(), false);
                    return Ok(());
                }
                Ok(None) if begin.elapsed() < PATIENCE => thread::sleep(Duration::from_micros(20)),
                Ok(None) => break,
                Err(error) => return Err(Answer::Report(error.to_string())),
            }
        }
        match self.node.try_cleanup_dead_nodes().cleanups {
            0 => Err(Answer::Nothing),
            dead => Err(Answer::Report(format!("{dead} dead nodes"))),
        }
    }
}
