using Postrider.Core.Hosting;

namespace Postrider.Core.Tests.Hosting;

/// <summary>How far words are from each other, and when one is named.</summary>
public sealed class NearestTests
{
    [Theory]
    [InlineData("", "", 0)]
    [InlineData("", "abc", 3)]
    [InlineData("abc", "", 3)]
    [InlineData("Prefix", "prefix", 0)]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("Trasnport", "Transport", 1)]
    [InlineData("ba", "ab", 1)]
    [InlineData("DrainTimout", "DrainTimeout", 1)]
    public void Distances(string one, string other, int distance)
    {
        Assert.Equal(distance, Nearest.Distance(one, other));
        Assert.Equal(distance, Nearest.Distance(other, one));
    }

    [Theory]
    [InlineData("Prefx", " Did you mean 'Prefix'?")]
    [InlineData("Queue", " Known are: Prefix, Replicas.")]
    public void The_nearest_is_named_or_all_are(string word, string hint) => Assert.Equal(hint, Nearest.Hint(word, ["Replicas", "Prefix"]));
}
