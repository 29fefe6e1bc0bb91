from schemas.search_records import AppliedRecord, RecordPlace
from workers.watermark import holds


def test_an_index_holds_what_its_watermark_reached_in_every_partition_named():
    watermark = [AppliedRecord("changes", 0, 5), AppliedRecord("changes", 1, 0)]
    assert holds(watermark, [])
    assert holds(watermark, [RecordPlace("changes", 0, 5), RecordPlace("changes", 1, 0)])
    assert not holds(watermark, [RecordPlace("changes", 0, 6)])
    assert not holds(watermark, [RecordPlace("changes", 2, 0)])
    assert not holds(watermark, [RecordPlace("backfill", 0, 1)])
    assert not holds([], [RecordPlace("changes", 0, 0)])
