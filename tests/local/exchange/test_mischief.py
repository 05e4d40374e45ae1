from local.exchange.faults import BadProduct, ClockStep, Disconnect, Drop, ForgetProduct, RestDown, Silence
from local.exchange.mischief import Mischief

SECOND_US = 1_000_000


def test_a_frame_is_hit_by_its_number_among_all() -> None:
    mischief = Mischief([Drop(at=2, count=2)], seed=1, opened_us=0)
    assert [0, 1, 1, 0] == [len(mischief.next_frame(product, 0)) for product in ("A-B", "C-D", "A-B", "A-B")]


def test_a_frame_is_hit_by_its_number_in_its_product() -> None:
    mischief = Mischief([Drop(at=2, product="A-B")], seed=1, opened_us=0)
    assert [0, 0, 0, 1] == [len(mischief.next_frame(product, 0)) for product in ("C-D", "C-D", "A-B", "A-B")]


def test_a_share_of_the_frames_is_hit_and_the_seed_says_which() -> None:
    def hits(seed: int) -> list[int]:
        mischief = Mischief([Drop(share=0.1)], seed=seed, opened_us=0)
        return [len(mischief.next_frame("A-B", 0)) for _ in range(1000)]

    assert hits(1) == hits(1) != hits(2)
    assert 60 < sum(hits(1)) < 140


def test_outside_its_window_nothing_strikes() -> None:
    mischief = Mischief([Drop(share=1.0, from_s=5, to_s=6), RestDown(from_s=5, to_s=6)], seed=1, opened_us=SECOND_US)
    assert [] == mischief.next_frame("A-B", 5 * SECOND_US)
    assert 1 == len(mischief.next_frame("A-B", 6 * SECOND_US))
    assert not list(mischief.at_work(RestDown, 5 * SECOND_US))
    assert list(mischief.at_work(RestDown, 6 * SECOND_US)) == [RestDown(from_s=5, to_s=6)]


def test_a_disconnect_by_the_clock_happens_once() -> None:
    mischief = Mischief([Disconnect(from_s=2, code=1001)], seed=1, opened_us=0)
    assert [] == mischief.take_disconnects(SECOND_US)
    assert 1 == len(mischief.take_disconnects(3 * SECOND_US))
    assert [] == mischief.take_disconnects(4 * SECOND_US)


def test_a_disconnect_by_frame_waits_for_its_frame() -> None:
    mischief = Mischief([Disconnect(at=1)], seed=1, opened_us=0)
    assert [] == mischief.take_disconnects(9 * SECOND_US)
    assert 1 == len(mischief.next_frame("A-B", 9 * SECOND_US))


def test_products_can_be_bad_or_forgotten_for_a_while() -> None:
    mischief = Mischief([BadProduct(product="A-B", to_s=1), ForgetProduct(product="C-D")], seed=1, opened_us=0)
    assert {"A-B"} == mischief.bad_products(0)
    assert mischief.bad_products(SECOND_US) == set()
    assert {"C-D"} == mischief.forgotten_products(SECOND_US)


def test_clock_steps_add_up() -> None:
    mischief = Mischief([ClockStep(step_s=-2), ClockStep(step_s=0.5, from_s=1)], seed=1, opened_us=0)
    assert -2_000_000 == mischief.clock_step_us(0)
    assert -1_500_000 == mischief.clock_step_us(SECOND_US)


def test_a_silence_spares_connections_opened_after_it_began() -> None:
    mischief = Mischief([Silence(from_s=5, to_s=9)], seed=1, opened_us=0)
    assert 1 == len(mischief.silences(4 * SECOND_US, 6 * SECOND_US))
    assert [] == mischief.silences(5 * SECOND_US, 6 * SECOND_US)
    everyone = Mischief([Silence(from_s=5, all_connections=True)], seed=1, opened_us=0)
    assert 1 == len(everyone.silences(5 * SECOND_US, 6 * SECOND_US))


def test_the_next_edge_is_told_until_there_is_none() -> None:
    mischief = Mischief([RestDown(from_s=2, to_s=3)], seed=1, opened_us=0)
    assert 2 * SECOND_US == mischief.next_edge_us(0)
    assert 3 * SECOND_US == mischief.next_edge_us(2 * SECOND_US)
    assert mischief.next_edge_us(3 * SECOND_US) is None


def test_a_fault_on_rest_is_at_work_on_its_paths() -> None:
    mischief = Mischief([RestDown(path="/v2/", to_s=3)], seed=1, opened_us=0)

    assert [1, 0, 0] == [
        len(list(mischief.on_path(RestDown, path, at_us)))
        for path, at_us in (("/v2/prices/A-B/spot", 0), ("/products", 0), ("/v2/prices/A-B/spot", 4 * SECOND_US))
    ]
