//! For `listmill check`: whether the broker is there, has what is needed, and lets this host's user do what its runners do.

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection, Error, runtime};
use listmill_queue_format::Queue;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::config::AmqpConfig;
use super::declare;
use super::fault::Fault;
use super::names;
use super::topology::Topology;
use crate::QueueError;

/// A key that leads nowhere: who may publish may publish with it, and nothing comes of it.
const NOWHERE: &str = "check";

/// Looks at the broker and changes nothing there. (What it cannot see are bindings, which a broker tells nobody about: those whom it lets make
/// them do so whenever they connect.) `reads` are the queues that this host serves, `writes` those that it writes to.
/// What stands in the way of that comes back as sentences, none when all is well.
///
/// # Errors
/// The broker cannot be reached, or lets this user not in.
pub fn check(config: &AmqpConfig, reads: &[Queue], writes: &[Queue]) -> Result<Vec<String>, QueueError> {
    let (uri, tls) = (config.uri()?, config.tls()?);
    let failed = |fault: Fault| fault.at("reach", config.broker());
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| QueueError::os("start a thread for", config.broker(), error))?;
    runtime.block_on(async {
        let late = |_| Fault::Away(format!("no answer within {} s", config.patience.as_secs()));
        let work = async {
            let connecting =
                Connection::connect_uri_with_config(uri, config.properties("check"), tls, runtime::default_runtime()?);
            let connection = connecting.await?;
            let faults = look(&connection, reads, writes).await?;
            let _ = connection.close(200, "OK".into()).await; // it has served its purpose
            Ok::<_, Fault>(faults)
        };
        timeout(config.patience, work).await.map_err(late).and_then(|faults| faults).map_err(failed)
    })
}

async fn look(connection: &Connection, reads: &[Queue], writes: &[Queue]) -> Result<Vec<String>, Fault> {
    let mut faults = Vec::new();
    let all = Topology::whole();
    let channel = connection.create_channel().await?;
    if let Err(error) = declare::look(&channel, &all).await {
        faults.push(format!(
            "the broker lacks something: {}; import dist/rabbitmq/definitions.json, or start listmill once as a user who may declare it",
            said(&error)
        ));
        return Ok(faults);
    }
    // All of it is there, so nothing comes of this. Where this user may declare, a queue in another shape shows.
    if let Err(error) = declare::declare(&connection.create_channel().await?, &all).await
        && !is_refusal(&error)
    {
        faults.push(format!("something at the broker has another shape than listmill gives it: {}", said(&error)));
    }
    for queue in reads {
        if let Err(error) = may_read(connection, *queue).await {
            faults.push(format!("this user may not read what the runner {queue} serves: {}", said(&error)));
        }
    }
    for queue in writes {
        if let Err(error) = may_write(connection, *queue).await {
            faults.push(format!("this user may not write to {queue}: {}", said(&error)));
        }
    }
    Ok(faults)
}

/// Asked of the mark that pauses a queue, because asking for an entry would take it.
async fn may_read(connection: &Connection, queue: Queue) -> Result<(), Error> {
    let channel = connection.create_channel().await?;
    // What is taken goes back with the channel.
    channel.basic_get(names::paused_queue(queue).into(), BasicGetOptions::default()).await.map(drop)
}

async fn may_write(connection: &Connection, queue: Queue) -> Result<(), Error> {
    let channel: Channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (exchange, options) = (names::exchange(queue), BasicPublishOptions::default());
    let sent = channel.basic_publish(exchange.into(), NOWHERE.into(), options, b"", BasicProperties::default());
    sent.await?.await.map(drop)
}

fn is_refusal(error: &Error) -> bool {
    error.is_amqp_soft_error() && error.to_string().contains("ACCESS_REFUSED")
}

fn said(error: &Error) -> String {
    error.to_string()
}
