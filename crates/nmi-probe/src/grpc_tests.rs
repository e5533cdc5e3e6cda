#![allow(clippy::unwrap_used)]

use super::*;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Frame {
    let mut bytes = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream];
    bytes.extend_from_slice(payload);
    let (frame, length) = frames::parse(&bytes).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    frame
}

/// Judges data frames on the call's stream, the last of which ends it.
fn judged(data: &[&[u8]]) -> Result<(), Fault> {
    let mut answer = Answer::default();
    for (index, data) in data.iter().enumerate() {
        let flags = u8::from(index + 1 == data.len());
        assert_eq!(answer.take(&frame(0, flags, 1, data))?, None);
    }
    answer.has_ended = true;
    answer.is_whole()?;
    answer.judge()
}

#[test]
fn serving_is_success_however_it_is_cut() {
    assert_eq!(judged(&[&[0, 0, 0, 0, 2, 8, 1]]), Ok(()));
    assert_eq!(judged(&[&[0, 0, 0], &[0, 2], &[], &[8], &[1]]), Ok(()));
}

#[test]
fn any_other_status_is_not() {
    assert_eq!(judged(&[&[0, 0, 0, 0, 0]]), Err(Fault::NotServing(0)));
    assert_eq!(judged(&[&[0, 0, 0, 0, 2, 8, 2]]), Err(Fault::NotServing(2)));
    assert_eq!(judged(&[&[0, 0, 0, 0, 3, 8, 0x81, 1]]), Err(Fault::NotServing(129)));
}

#[test]
fn what_is_no_message_of_the_protocol_is_refused() {
    for (data, fault) in [
        (&[][..], Fault::Refused),
        (&[0, 0, 0, 0], Fault::CutShort),
        (&[0, 0, 0, 0, 2, 8], Fault::CutShort),
        (&[1, 0, 0, 0, 2, 8, 1], Fault::Message),
        (&[0, 0, 0, 0, 1, 8], Fault::Message),
        (&[0, 0, 0, 0, 2, 0x0b, 1], Fault::Message),
        (&[0, 0, 0, 0, 2, 0x12, 9], Fault::Message),
        (&[0, 0xff, 0xff, 0xff, 0xff], Fault::TooLong),
    ] {
        assert_eq!(judged(&[data]), Err(fault), "{data:?}");
    }
}

#[test]
fn unknown_fields_are_skipped_and_the_last_status_counts() {
    let long = [0x12, 2, 8, 9];
    let fixed = [0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4];
    assert_eq!(status(&[&long[..], &[8, 2], &fixed, &[8, 1]].concat()), Some(1));
    assert_eq!(status(&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), None);
}

#[test]
fn settings_and_pings_are_acknowledged_once() {
    let mut answer = Answer::default();
    assert_eq!(answer.take(&frame(4, 0, 0, &[0; 6])), Ok(Some(vec![0, 0, 0, 4, 1, 0, 0, 0, 0])));
    assert_eq!(answer.take(&frame(4, 1, 0, &[])), Ok(None));
    let ping = [1, 2, 3, 4, 5, 6, 7, 8];
    let reply = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &ping].concat();
    assert_eq!(answer.take(&frame(6, 0, 0, &ping)), Ok(Some(reply)));
    assert_eq!(answer.take(&frame(6, 1, 0, &ping)), Ok(None));
}

#[test]
fn trailers_alone_resets_and_goodbyes_are_failures() {
    let mut answer = Answer::default();
    assert_eq!(answer.take(&frame(1, 5, 1, &[0x88])), Ok(None));
    assert_eq!(answer.is_whole(), Err(Fault::Refused));
    assert_eq!(Answer::default().take(&frame(3, 0, 1, &[0, 0, 0, 7])), Err(Fault::Reset(7)));
    assert_eq!(Answer::default().take(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2])), Err(Fault::GoAway(2)));
    assert_eq!(Answer::default().take(&frame(7, 0, 0, &[])), Err(Fault::GoAway(0)));
    // Of another stream, and of no known kind.
    assert_eq!(Answer::default().take(&frame(3, 0, 3, &[0, 0, 0, 7])), Ok(None));
    assert_eq!(Answer::default().take(&frame(0xfa, 0, 1, &[1])), Ok(None));
}

#[test]
fn padding_is_no_data() {
    assert_eq!(frame(0, 8, 1, &[2, 7, 8, 0, 0]).data(), Some(&[7, 8][..]));
    assert_eq!(frame(0, 8, 1, &[5, 7, 8, 0, 0]).data(), None);
    assert_eq!(frame(0, 8, 1, &[]).data(), None);
}

#[test]
fn a_frame_too_large_is_refused_before_it_is_there() {
    assert_eq!(frames::parse(&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]), Err(frames::TooLarge));
    assert_eq!(frames::parse(&[0, 0x40, 0, 0, 0, 0, 0, 0, 1]), Ok(None));
    assert_eq!(frames::parse(&[0, 0, 0, 0, 0, 0, 0, 0]), Ok(None));
}

#[test]
fn the_request_carries_the_services_name() {
    assert_eq!(message(""), [0, 0, 0, 0, 0]);
    assert_eq!(message("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    let long = message(&"x".repeat(300));
    assert_eq!(long.get(..8).unwrap(), [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 2]);
    assert_eq!(long.len(), 5 + 3 + 300);
}
