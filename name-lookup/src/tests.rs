//! Names, asked of a name server that we run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::{LOOKUP_TIME_MAX, LOOKUPS_MAX, LookupError, Names};

/// Enough for a busy machine, and far less than a look-up that nobody answers takes.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What every name means to our name server.
const FOUND: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7))];

/// A name server that takes every question and answers none.
async fn silent() -> (UdpSocket, Names) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let names = Names::of_server(socket.local_addr().unwrap());
    (socket, names)
}

/// What a name server answers to its one question: "192.0.2.7", or "2001:db8::7" when that is the kind of address asked for.
fn answer(question: &[u8]) -> Vec<u8> {
    // Two octets of type and two of class end it, behind the name's closing zero.
    let name_end = 12 + question[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let kind = &question[name_end..name_end + 2];
    let address = if kind == [0, 1] { FOUND[0] } else { FOUND[1] };
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend(&question[12..name_end + 4]);
    answer.extend([&[0xc0, 12], kind, &[0, 1, 0, 0, 0, 60, 0, u8::try_from(octets.len()).unwrap()]].concat());
    answer.extend(octets);
    answer
}

#[tokio::test]
async fn a_name_is_asked_for_once_while_its_answer_may_be_remembered() {
    let (socket, names) = silent().await;
    let server = tokio::spawn(async move {
        let mut questions = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(Ok((length, from))) = tokio::time::timeout(AT_ONCE, socket.recv_from(&mut buffer)).await
        {
            let question = &buffer[..length];
            socket.send_to(&answer(question), from).await.unwrap();
            questions.push(question.to_vec());
        }
        questions.len()
    });
    for _ in 0..5 {
        assert_eq!(names.addresses("shop.example").await.unwrap(), FOUND);
    }
    assert_eq!(server.await.unwrap(), 2, "one for each kind of address");
}

#[tokio::test]
async fn a_name_is_found_by_one_kind_of_address_when_nobody_answers_for_the_other() {
    let (socket, names) = silent().await;
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = answer(&buffer[..length]);
            // Its last octets are the address.
            if answer.ends_with(&[192, 0, 2, 7]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    assert_eq!(names.addresses("shop.example").await.unwrap(), FOUND[..1]);
    server.abort();
}

/// The reason for all this: more names than there are threads, and nobody has to wait for them.
#[test]
fn names_that_nobody_answers_block_nobody_else() {
    const STUCK: usize = 200;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (socket, names) = silent().await;
        let mut stuck = JoinSet::new();
        for number in 0..STUCK {
            let names = names.clone();
            stuck.spawn(async move { names.addresses(&format!("{number}.shop.example")).await });
        }
        // They have been asked.
        socket.recv_from(&mut [0; 512]).await.unwrap();
        let asked = Instant::now();
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert_eq!(names.addresses("localhost").await.unwrap()[0], IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
        assert!(stuck.try_join_next().is_none(), "all of them wait");
        while let Some(ended) = stuck.join_next().await {
            assert!(ended.unwrap().is_err());
        }
        assert!(asked.elapsed() < 2 * LOOKUP_TIME_MAX, "{:?}", asked.elapsed());
    });
}

#[tokio::test]
async fn many_who_wait_for_few_names_leave_room_for_others() {
    let (socket, names) = silent().await;
    let mut stuck = JoinSet::new();
    for number in 0..2 * LOOKUPS_MAX {
        let names = names.clone();
        stuck.spawn(async move { names.addresses(&format!("{}.shop.example", number % 8)).await });
    }
    // All of them have asked: here there is one thread.
    socket.recv_from(&mut [0; 512]).await.unwrap();
    let asked = Instant::now();
    assert_eq!(names.addresses("localhost").await.unwrap()[0], IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert!(stuck.try_join_next().is_none(), "all of them wait");
}

#[tokio::test]
async fn names_that_nobody_answers_do_not_hold_up_one_that_is_remembered() {
    let (socket, names) = silent().await;
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            // As it stands in a question: a length before each part.
            if buffer[..length].windows(5).any(|part| part == b"\x04shop") {
                socket.send_to(&answer(&buffer[..length]), from).await.unwrap();
            }
        }
    });
    assert_eq!(names.addresses("shop.example").await.unwrap(), FOUND);
    let mut stuck = JoinSet::new();
    for number in 0..2 * LOOKUPS_MAX {
        let names = names.clone();
        stuck.spawn(async move { names.addresses(&format!("{number}.example")).await });
    }
    while names.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let asked = Instant::now();
    assert_eq!(names.addresses("shop.example").await.unwrap(), FOUND);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert!(stuck.try_join_next().is_none(), "all of them wait");
    server.abort();
}

/// Also when each of them says that it is an address, as the system's resolver would have found.
#[tokio::test]
async fn what_others_take_for_an_address_is_that_address() {
    let (_socket, names) = silent().await;
    let here = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    for spelling in ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "%31%32%37.1"] {
        assert_eq!(names.addresses(spelling).await.unwrap(), here, "{spelling}");
    }
    for nonsense in ["", "256.256.256.256", "1.2.3.4.5", "a b", "[::1"] {
        let refused = names.addresses(nonsense).await;
        assert!(matches!(refused, Err(LookupError::NoName(_))), "{nonsense}: {refused:?}");
    }
}
