using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Filters take at least what the patterns match, and never overlap: the server refuses or repeats those that do.</summary>
public sealed class SubjectFiltersTests
{
    [Theory]
    [InlineData("orders.placed", "orders.placed")]
    [InlineData("orders.*", "orders.*")]
    [InlineData("orders.#", "orders orders.>")]
    [InlineData("#", ">")]
    [InlineData("*.#", "* *.>")]
    [InlineData("a.#.b", "a.>")]
    [InlineData("#.b", ">")]
    [InlineData("a.b c.d", "a.b c.d")]
    [InlineData("a.* a.b", "a.*")]
    [InlineData("a.# a.b.c", "a a.>")]
    [InlineData("a.*.c a.b.*", "a.*.*")]
    [InlineData("a.# #", ">")]
    [InlineData("a a.b", "a a.b")]
    [InlineData("*.b a.*", "*.*")]
    [InlineData("a.b.c *.b.c a.*.c a.b.*", "*.*.*")]
    [InlineData("a.b a.b", "a.b")]
    public void Of_patterns(string patterns, string expected) =>
        Assert.Equal(Split(expected), SubjectFilters.Of("p.t.", patterns.Split(' '), severalAllowed: true));

    [Theory]
    [InlineData("orders.placed", "orders.*")]
    [InlineData("orders", "*")]
    [InlineData("orders.*", "orders.*")]
    [InlineData("orders.#", ">")]
    [InlineData("a.b.#", "a.>")]
    [InlineData("a.b a.c", "a.*")]
    [InlineData("a.b c.d", "*.*")]
    [InlineData("a a.b", ">")]
    [InlineData("a.x.y a.b", "a.>")]
    public void Of_patterns_where_there_may_be_one(string patterns, string expected) =>
        Assert.Equal(Split(expected), SubjectFilters.Of("p.t.", patterns.Split(' '), severalAllowed: false));

    [Fact]
    public void A_thousand_patterns_become_one_filter() =>
        Assert.Equal(["p.t.a.*"], SubjectFilters.Of("p.t.", [.. Enumerable.Range(0, 1000).Select(i => $"a.t{i}")], severalAllowed: true));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whatever_a_pattern_matches_exactly_one_filter_takes(bool severalAllowed)
    {
        var random = new Random(4711);
        string[] words = ["a", "b", "*", "#"];
        for (var round = 0; round < 3000; round++)
        {
            string[] patterns = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => Random(random, words))];
            var filters = SubjectFilters.Of("", patterns, severalAllowed);
            for (var i = 0; i < 20; i++)
            {
                var topic = Random(random, ["a", "b", "c"]);
                var takers = filters.Count(filter => Takes(filter.Split('.'), topic.Split('.')));
                var wanted = patterns.Any(pattern => TopicPattern.Matches(pattern, topic));
                Assert.True(takers == 1 || (takers == 0 && !wanted), $"{string.Join(' ', patterns)} → {string.Join(' ', filters)}: {takers} take {topic}.");
            }
        }
    }

    private static string Random(Random random, string[] words) =>
        string.Join('.', Enumerable.Range(0, random.Next(1, 5)).Select(_ => words[random.Next(words.Length)]));

    private static string[] Split(string filters) => [.. filters.Split(' ').Select(one => "p.t." + one).Order(StringComparer.Ordinal)];

    /// <summary>As the server does.</summary>
    private static bool Takes(string[] filter, string[] subject)
    {
        for (var i = 0; i < filter.Length; i++)
        {
            if (filter[i] == ">")
            {
                return subject.Length > i;
            }

            if (i >= subject.Length || (filter[i] != "*" && filter[i] != subject[i]))
            {
                return false;
            }
        }

        return filter.Length == subject.Length;
    }
}
