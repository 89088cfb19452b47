//! What a message costs in calls to AWS, counted on a running stack.
#![allow(clippy::print_stdout, reason = "a command-line tool talks to people on standard output")]

use stories::cost::measure;

#[tokio::main]
async fn main() {
    println!("| a message | calls to AWS | write units | read units | $ per million |");
    println!("|---|---|---|---|---|");
    for cost in Box::pin(measure()).await {
        println!("{cost}");
    }
}
