//! Queries as resolvers send them, and as nobody should.

use proptest::prelude::*;

use super::*;

/// glibc 2.36, getaddrinfo(3) of `Registry.example.com` with `options edns0`.
const GLIBC: &[u8] = b"\xf6\xfc\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\
    \x08Registry\x07example\x03com\x00\x00\x01\x00\x01\
    \x00\x00\x29\x04\xb0\x00\x00\x00\x00\x00\x00";
/// c-ares, `dns.resolve4` of Node.js.
const C_ARES: &[u8] = b"\xda\x36\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
    \x08registry\x07example\x03com\x00\x00\x01\x00\x01";

const HEADER: QueryHeader = QueryHeader {
    id: 7,
    flags: FLAG_RECURSION_DESIRED,
};
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// A query with the id 7: the counts of the four sections, and what follows the header.
fn query(counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    push(&mut message, &[HEADER.id, HEADER.flags]);
    push(&mut message, &counts);
    message.extend_from_slice(&rest.concat());
    message
}

fn question_of(name: &[u8], kind: u16, class: u16) -> Question {
    let mut rest = name.to_vec();
    push(&mut rest, &[kind, class]);
    read_question(&query([1, 0, 0, 0], &[&rest])).unwrap()
}

/// An answer made into the query for the same, so that our own reader reads it: the answer
/// section counts as additional there.
fn read_back(mut answer: Vec<u8>) -> Question {
    assert!(answer.len() <= 512, "{}", answer.len());
    assert_eq!(answer[2] & 0x80, 0x80, "it is no answer");
    assert_eq!(answer[3] & 0x80, 0x80, "no recursion available");
    answer[2] &= 0x7f;
    answer[11] += answer[7];
    answer[7] = 0;
    read_question(&answer).unwrap()
}

fn code(answer: &[u8]) -> u16 {
    u16::from(answer[3] & 0x0f)
}

#[test]
fn what_glibc_sends() {
    let question = read_question(GLIBC).unwrap();
    assert_eq!(
        question,
        Question {
            id: 0xf6fc,
            recursion_desired: true,
            labels: b"\x08Registry\x07example\x03com\x00".to_vec(),
            name: HostName::from_ascii("registry.example.com").ok(),
            kind: QuestionKind::Address,
            class: 1,
            edns_version: Some(0),
        }
    );
    let address = Answer::Address(Ipv4Addr::new(192, 0, 2, 1), 60);
    let expected = b"\xf6\xfc\x81\x80\x00\x01\x00\x01\x00\x00\x00\x01\
        \x08Registry\x07example\x03com\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01\
        \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    assert_eq!(answer(&question, address), expected);
}

#[test]
fn what_c_ares_sends() {
    let question = read_question(C_ARES).unwrap();
    assert_eq!(
        question.name.as_ref().unwrap().as_str(),
        "registry.example.com"
    );
    assert_eq!((question.id, question.edns_version), (0xda36, None));
    let refused = answer(&question, Answer::Refused);
    let mut expected = C_ARES.to_vec();
    expected[2..4].copy_from_slice(b"\x81\x85");
    assert_eq!(refused, expected);
}

#[test]
fn a_message_cut_anywhere_is_no_question() {
    for whole in [GLIBC, C_ARES] {
        for length in 0..whole.len() {
            let error = read_question(&whole[..length]).unwrap_err();
            let owed = error_answer(&error);
            if length < 12 {
                assert_eq!((error, owed), (DnsError::Short, None), "{length}");
            } else {
                let owed = owed.unwrap();
                assert_eq!(owed[..2], whole[..2], "{length}");
                assert_eq!(owed[2..], [0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0], "{length}");
            }
        }
    }
}

/// What is wrong, the counts of the sections, and what follows the header.
type Case<'a> = (&'a str, [u16; 4], &'a [&'a [u8]]);

#[test]
fn what_is_malformed() {
    let a: &[u8] = b"\x01a\0\0\x01\0\x01";
    // The control: each of the parts is read where nothing is wrong with them.
    assert!(read_question(&query([1, 0, 0, 0], &[a])).is_ok());
    assert!(read_question(&query([1, 0, 0, 1], &[a, OPT])).is_ok());
    let too_long = [b"\x01a".repeat(126), b"\x02aa\0\0\x01\0\x01".to_vec()].concat();
    let long_label = [&[64][..], &[b'a'; 64], &a[2..]].concat();
    let longest_label = [&[255][..], &[b'a'; 255], &a[2..]].concat();
    let cases: &[Case<'_>] = &[
        ("no question", [0, 0, 0, 0], &[]),
        ("no question, yet one follows", [0, 0, 0, 0], &[a]),
        ("two questions", [2, 0, 0, 0], &[a, a]),
        ("many questions", [0xffff, 0, 0, 0], &[a]),
        ("an answer", [1, 1, 0, 0], &[a, OPT]),
        ("an authority", [1, 0, 1, 0], &[a, OPT]),
        ("bytes left over", [1, 0, 0, 0], &[a, b"\0"]),
        ("an OPT not counted", [1, 0, 0, 0], &[a, OPT]),
        ("bytes after OPT", [1, 0, 0, 1], &[a, OPT, b"x"]),
        ("OPT missing", [1, 0, 0, 1], &[a]),
        ("many records told", [1, 0, 0, 0xffff], &[a, OPT]),
        ("two OPT", [1, 0, 0, 2], &[a, OPT, OPT]),
        ("OPT with a name", [1, 0, 0, 1], &[a, b"\x01a", OPT]),
        (
            "OPT with a pointer",
            [1, 0, 0, 1],
            &[a, b"\xc0\x0c", &OPT[1..]],
        ),
        (
            "OPT data too long",
            [1, 0, 0, 1],
            &[a, &OPT[..9], b"\0\x01"],
        ),
        (
            "a record's label of 64",
            [1, 0, 0, 1],
            &[a, &long_label, &OPT[5..]],
        ),
        ("pointer to itself", [1, 0, 0, 0], &[b"\xc0\x0c", &a[3..]]),
        (
            "pointer after a label",
            [1, 0, 0, 0],
            &[b"\x01a\xc0\x0c", &a[3..]],
        ),
        ("label of 64", [1, 0, 0, 0], &[&long_label]),
        ("label of 255", [1, 0, 0, 0], &[&longest_label]),
        ("name of 256 bytes", [1, 0, 0, 0], &[&too_long]),
    ];
    for (what, counts, rest) in cases {
        let error = read_question(&query(*counts, rest)).unwrap_err();
        assert_eq!(error, DnsError::Malformed(HEADER), "{what}");
    }
}

#[test]
fn the_longest_name_is_answered_in_512_bytes() {
    let name = [b"\x01a".repeat(127), vec![0]].concat();
    assert_eq!(name.len(), MAX_NAME_BYTES);
    let question = read_question(&query([1, 0, 0, 1], &[&name, b"\0\x1c\0\x01", OPT])).unwrap();
    assert_eq!(question.name.as_ref().unwrap().as_str().len(), 253);
    let answer = answer(&question, Answer::Address6(Ipv6Addr::LOCALHOST, u32::MAX));
    assert_eq!(answer.len(), 310);
    assert_eq!(read_back(answer), question);
}

#[test]
fn no_answer_is_answered_and_other_opcodes_are_told_so() {
    let mut response = C_ARES.to_vec();
    response[2] |= 0x80;
    let error = read_question(&response).unwrap_err();
    assert_eq!((error, error_answer(&error)), (DnsError::NotAQuery, None));
    for opcode in 1..16 {
        let mut update = C_ARES.to_vec();
        update[2] |= opcode << 3;
        let owed = error_answer(&read_question(&update).unwrap_err()).unwrap();
        assert_eq!(owed[..4], [0xda, 0x36, 0x81 | (opcode << 3), 0x84]);
        assert_eq!(owed[4..], [0; 8]);
    }
}

#[test]
fn a_name_that_is_no_host_name_is_none_and_repeated() {
    let names: &[&[u8]] = &[
        b"\0",
        b"\x03a.b\0",
        b"\x02a.\0",
        b"\x01.\0",
        b"\x01a\x02b \0",
        b"\x02\xc3\xa4\0",
        b"\x01\xff\0",
        b"\x01\0\0",
        b"\x02-a\0",
        b"\x03127\x010\x010\x011\0",
    ];
    for name in names {
        let question = question_of(name, TYPE_A, CLASS_IN);
        assert_eq!(question.name, None, "{name:?}");
        let refused = answer(&question, Answer::Refused);
        assert_eq!(read_back(refused).labels, *name);
    }
}

#[test]
fn codes_and_records_of_answers() {
    let four = Answer::Address(Ipv4Addr::LOCALHOST, 5);
    let six = Answer::Address6(Ipv6Addr::LOCALHOST, 5);
    // Type and class asked for, result; code and number of records.
    let cases = [
        (1, 1, four, 0, 1),
        (28, 1, six, 0, 1),
        (28, 1, four, 0, 0),
        (1, 1, six, 0, 0),
        (16, 1, four, 0, 0),
        (1, 1, Answer::NoData, 0, 0),
        (1, 1, Answer::NoSuchName, 3, 0),
        (255, 1, Answer::Refused, 5, 0),
        (1, 1, Answer::ServerFailure, 2, 0),
        (1, 3, four, 5, 0),
        (1, 255, four, 5, 0),
        (28, 0, Answer::NoSuchName, 5, 0),
    ];
    for (kind, class, result, expected, records) in cases {
        let question = question_of(b"\x01a\0", kind, class);
        let answer = answer(&question, result);
        let context = format!("{kind} {class} {result:?}");
        assert_eq!(code(&answer), expected, "{context}");
        assert_eq!(answer[6..8], [0, records], "{context}");
        assert_eq!(read_back(answer), question, "{context}");
    }
}

#[test]
fn another_version_of_edns_is_told_so() {
    let opt = b"\0\0\x29\x04\xd0\0\x01\0\0\0\0";
    let message = query([1, 0, 0, 1], &[b"\x01a\0\0\x01\0\x01", opt]);
    let question = read_question(&message).unwrap();
    assert_eq!(question.edns_version, Some(1));
    let answer = answer(&question, Answer::Address(Ipv4Addr::LOCALHOST, 5));
    assert_eq!((code(&answer), answer[7]), (0, 0));
    // BADVERS is 16: its upper bits stand after type and size, and our version is 0.
    assert!(answer.ends_with(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0"));
}

#[test]
fn options_and_other_records_are_passed_over() {
    let a: &[u8] = b"\x01a\0\0\x01\0\x01";
    let cookie: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x0812345678";
    let other: &[u8] = b"\x01k\xc0\x0c\0\xfa\0\xff\0\0\0\0\0\x01x";
    let question = read_question(&query([1, 0, 0, 2], &[a, cookie, other])).unwrap();
    assert_eq!(question.edns_version, Some(0));
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        any::<(u32, u32)>().prop_map(|(ip, ttl)| Answer::Address(ip.into(), ttl)),
        any::<(u128, u32)>().prop_map(|(ip, ttl)| Answer::Address6(ip.into(), ttl)),
        Just(Answer::NoData),
        Just(Answer::NoSuchName),
        Just(Answer::Refused),
        Just(Answer::ServerFailure),
    ]
}

proptest! {
    /// Any bytes, and any bytes after a header that is in order: a verdict, and no panic.
    #[test]
    fn any_bytes_get_a_verdict(
        bytes in prop::collection::vec(any::<u8>(), 0..600), additional in 0u16..3
    ) {
        for message in [bytes.clone(), query([1, 0, 0, additional], &[&bytes])] {
            match read_question(&message) {
                Ok(question) => prop_assert_eq!(&question.id.to_be_bytes(), &message[..2]),
                Err(error) => if let Some(owed) = error_answer(&error) {
                    prop_assert_eq!(&owed[..2], &message[..2]);
                }
            }
        }
    }

    /// Whatever is accepted is answered with the same id and name, in 512 bytes.
    #[test]
    fn answers_repeat_their_question(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..6),
        numbers in any::<(u16, u16)>(), in_class in any::<bool>(), with_opt in any::<bool>(),
        kind in prop_oneof![Just(TYPE_A), Just(TYPE_AAAA), any::<u16>()],
        result in any_answer(),
    ) {
        let mut rest = Vec::new();
        for label in &labels {
            rest.push(u8::try_from(label.len()).unwrap());
            rest.extend_from_slice(label);
        }
        rest.push(0);
        let fits = rest.len() <= MAX_NAME_BYTES;
        push(&mut rest, &[kind, if in_class { CLASS_IN } else { numbers.1 }]);
        let opt = if with_opt { OPT } else { &[] };
        let mut message = query([1, 0, 0, u16::from(with_opt)], &[&rest, opt]);
        message[..2].copy_from_slice(&numbers.0.to_be_bytes());
        let question = read_question(&message);
        prop_assert_eq!(question.is_ok(), fits);
        if let Ok(question) = question {
            prop_assert_eq!(read_back(answer(&question, result)), question);
        }
    }
}
