//! Compressed replies of logic, and compressed requests.

use angzarr_proto::v1;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use angzarr_tests::client::{command, cover, root};
use tonic::Code;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{System, scripted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_replies_are_read_and_their_limits_hold_for_what_they_expand_to() {
    for encoding in [Gzip, Zstd] {
        let logic = scripted::serve_compressed(encoding).await;
        let hostile =
            format!("- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n");
        let system = System::start(&hostile).await;
        system.ask("hostile", "Good").await.unwrap();
        // Megabytes of one byte, in a few kilobytes.
        for breach in ["LargePage", "LargeAppend", "OverGrpc"] {
            let refused = system.ask("hostile", breach).await.unwrap_err();
            assert_eq!(refused.code(), Code::Internal, "{refused}");
            assert!(refused.message().contains("bytes"), "{refused}");
        }
        let refused = system.ask("hostile", "Status8").await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(system.stored("hostile").await, 1);
    }
}

#[tokio::test]
async fn clients_may_compress_their_requests() {
    let system = System::start("").await;
    for encoding in [Gzip, Zstd] {
        let channel = system.place.channel();
        let mut gateway = CommandGatewayClient::new(channel.clone()).send_compressed(encoding);
        let asked = command("Add", root(1), &format!("{encoding}"));
        gateway.execute(asked).await.unwrap();
        let mut query = EventQueryClient::new(channel.clone()).send_compressed(encoding);
        let asked = v1::Query {
            cover: Some(cover("tally", root(1))),
            selection: None,
        };
        query.get_event_book(asked).await.unwrap();
        let mut health = HealthClient::new(channel).send_compressed(encoding);
        health.check(HealthCheckRequest::default()).await.unwrap();
    }
}
