//! Prints the schema: `cargo run -p asof-graphql --example sdl > schema/asof.graphql`.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

fn main() {
    print!("{}", asof_graphql::sdl());
}
