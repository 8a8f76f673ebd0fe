"""The gate in front of INT8 files: what ships, what is refused, and why."""

import unittest

from sightline_training.accept import show, verdict

FLOAT = {"ap50": 0.97, "ap33_pooled": 0.98}
NEAR = {"ap50": 0.968, "ap33_pooled": 0.981}
FAR = {"ap50": 0.95, "ap33_pooled": 0.985}


class Verdict(unittest.TestCase):
    def test_the_best_of_those_that_may_ship_is_kept(self):
        nearer = {"ap50": 0.969, "ap33_pooled": 0.981}
        best, lost, reason = verdict([FLOAT, NEAR, nearer], [20.0, 10.0, 11.0], 0.005)
        self.assertEqual((best, reason), (2, None))
        self.assertAlmostEqual(lost, 0.001)

    def test_one_figure_that_falls_too_far_is_not_made_good_by_another(self):
        best, lost, reason = verdict([FLOAT, FAR], [20.0, 10.0], 0.005)
        self.assertEqual(best, 1)
        self.assertAlmostEqual(lost, 0.02)
        self.assertIn("loses 0.0200", reason)

    def test_a_file_that_is_hardly_faster_is_refused(self):
        _, _, reason = verdict([FLOAT, NEAR], [10.0, 9.8], 0.005)
        self.assertIn("9.80 ms, the float file 10.00 ms", reason)

    def test_a_slower_file_with_better_figures_does_not_stand_in_the_way(self):
        nearer = {"ap50": 0.97, "ap33_pooled": 0.98}
        best, _, reason = verdict([FLOAT, nearer, NEAR], [20.0, 25.0, 10.0], 0.005)
        self.assertEqual((best, reason), (2, None))

    def test_a_file_better_than_float_loses_less_than_nothing(self):
        _, lost, reason = verdict([NEAR, FLOAT | {"ap33_pooled": 0.982}], [20.0, 10.0], 0.0)
        self.assertIsNone(reason)
        self.assertLess(lost, 0)

    def test_the_table_has_a_line_a_file(self):
        table = show(["float", "entropy"], [FLOAT, NEAR], [20.0, 10.0]).splitlines()
        self.assertEqual(len(table), 3)
        self.assertEqual(table[2].split(), ["entropy", "0.9680", "0.9810", "10.00"])


if __name__ == "__main__":
    unittest.main()
